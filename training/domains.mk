# What the shipped bundles have left at other sources: `make domains-results`, for training/results/ and docs/results.md.

.PHONY: domains-results domains-table
domains-results: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json
	$(SAY) compare $(MADE)/small:tflite-int8 $(MADE)/accurate:tflite-int8 --data $(DATA) --domains $(DOMAINS) \
		--json > $(MADE)/domains.json
	mv $(MADE)/domains.json $(RESULTS)/domains.json
	$(MAKE) domains-table

domains-table: $(WORKSHOP)
	.venv-dev/bin/python -m tools.domains_table

# How a station does with the shipped bundles: `make rehearsal-results`, for benchmarks/results/ and the README.
SHARED ?= ../shared/data
REHEARSE = .venv-dev/bin/waste-edge rehearse $(1) --data $(DATA) --grounds $(SHARED)/unknown/licensed/ground \
	--unknown $(SHARED)/unknown/measuring --items 96 --unknown-items 48 --seed 1 --json

.PHONY: rehearsal-results rehearsal-table
rehearsal-results: $(WORKSHOP)
	$(call REHEARSE,small) > benchmarks/results/rehearsal/.small.json
	$(call REHEARSE,accurate) > benchmarks/results/rehearsal/.accurate.json
	mv benchmarks/results/rehearsal/.small.json benchmarks/results/rehearsal/small.json
	mv benchmarks/results/rehearsal/.accurate.json benchmarks/results/rehearsal/accurate.json
	$(MAKE) rehearsal-table

rehearsal-table: $(WORKSHOP)
	.venv-dev/bin/python -m tools.rehearsal_table
