# What the shipped bundles have left at other sources: `make domains-results`, for training/results/ and docs/results.md.

.PHONY: domains-results domains-table
domains-results: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json
	$(SAY) compare $(MADE)/small:tflite-int8 $(MADE)/accurate:tflite-int8 --data $(DATA) --domains $(DOMAINS) \
		--json > $(MADE)/domains.json
	mv $(MADE)/domains.json $(RESULTS)/domains.json
	$(MAKE) domains-table

domains-table: $(WORKSHOP)
	.venv-dev/bin/python -m tools.domains_table
