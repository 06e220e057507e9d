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
REHEARSED := benchmarks/results/rehearsal
# $(1) bundle, $(2) grounds, $(3) unknown things, below $(SHARED)/unknown
REHEARSE = .venv-dev/bin/waste-edge rehearse $(1) --data $(DATA) --grounds $(SHARED)/unknown/$(2) \
	--unknown $(SHARED)/unknown/$(3) --items 96 --unknown-items 48 --seed 1 --json

.PHONY: rehearsal-results rehearsal-grounds-results rehearsal-table
rehearsal-results: $(WORKSHOP)
	$(call REHEARSE,small,licensed/ground,measuring) > $(REHEARSED)/.small.json
	$(call REHEARSE,accurate,licensed/ground,measuring) > $(REHEARSED)/.accurate.json
	mv $(REHEARSED)/.small.json $(REHEARSED)/small.json
	mv $(REHEARSED)/.accurate.json $(REHEARSED)/accurate.json
	$(MAKE) rehearsal-table

# Surfaces that no network was trained on; items photographed by others; and a thousand things, to count what is missed, doubled or extra.
rehearsal-grounds-results: $(WORKSHOP)
	for ground in wood textile; do for bundle in small accurate; do \
		$(call REHEARSE,$$bundle,measuring/$$ground,measuring/electronics) > $(REHEARSED)/.one.json && \
		mv $(REHEARSED)/.one.json $(REHEARSED)/$$ground/$$bundle.json || exit; done; done
	for bundle in small accurate; do \
		$(call REHEARSE,$$bundle,measuring/wood,measuring/electronics) --split test > $(REHEARSED)/.one.json && \
		mv $(REHEARSED)/.one.json $(REHEARSED)/test/$$bundle.json || exit; done
	for bundle in small accurate; do \
		.venv-dev/bin/waste-edge rehearse $$bundle --data $(SHARED)/elsewhere/measuring/web_rockza \
		--grounds $(SHARED)/unknown/licensed/ground --unknown $(SHARED)/unknown/measuring/electronics \
		--items 96 --unknown-items 16 --seed 1 --json > $(REHEARSED)/.one.json && \
		mv $(REHEARSED)/.one.json $(REHEARSED)/web/$$bundle.json || exit; done
	.venv-dev/bin/waste-edge rehearse small --data $(DATA) --grounds $(SHARED)/unknown/licensed/ground --split all \
		--items 850 --unknown-items 150 --looks 1 --seed 17 --json > $(REHEARSED)/.one.json
	mv $(REHEARSED)/.one.json $(REHEARSED)/thousand/small.json
	.venv-dev/bin/waste-edge rehearse small --data $(DATA) --grounds $(SHARED)/unknown/measuring/wood --split all \
		--unknown $(SHARED)/unknown/measuring/electronics --items 850 --unknown-items 150 --looks 1 --seed 18 \
		--json > $(REHEARSED)/.one.json
	mv $(REHEARSED)/.one.json $(REHEARSED)/thousand/small-wood.json
	$(MAKE) rehearsal-table

rehearsal-table: $(WORKSHOP)
	.venv-dev/bin/python -m tools.rehearsal_table
