# The shipped bundles, from photographs: `make model`. A step that is finished is not done again, one that was stopped
# goes on. `make model DATA=photos DOMAINS=domains.csv WEIGHTS=folder` takes other ones; `make model DEVICE=cuda` trains on
# a GPU, with more views and epochs. `make model-runs` leaves out the exports, for a machine that has a GPU and no
# exporters: carry $(MADE)/packed there and the runs back. training/README.md says how long each step takes.

DATA ?= ../shared/data/trashnet
DOMAINS ?= ../shared/data/elsewhere-and-unknown.csv
WEIGHTS ?= ../shared/weights
MADE ?= runs/model
PACKED ?= $(MADE)/packed
DEVICE ?= cpu
SAY ?= .venv-dev/bin/waste-edge
GO_ON = $(if $(wildcard $(@D)/split.csv),--resume)
TEACHER := $(MADE)/teacher_lite2
# The accurate student is one of the small one's teachers.
TEACH_accurate := $(TEACHER)
TEACH_small := $(TEACHER) $(MADE)/student_accurate
START_accurate := efficientnet_lite0
START_small := mobilenetv1_050
FROM = --data $(PACKED)/data --domains $(PACKED)/domains.csv --stock $(MADE)/stock --device $(DEVICE)
# Two cores have six hours; the recipes' own numbers are a GPU's.
SHORTER_teacher_cpu := --set fit.epochs=6 --set stock.per_epoch=4096
SHORTER_accurate_cpu := --set fit.epochs=8 --set stock.per_epoch=4096
SHORTER_small_cpu := --set fit.epochs=30 --set stock.per_epoch=4096
SHORTER_qat_cpu := --set stock.per_epoch=3072
SHORTER = $(SHORTER_$(1)_$(DEVICE)) $(MORE)
NETWORKS := $(foreach bundle,small accurate,$(MADE)/$(bundle):tflite-fp32 $(MADE)/$(bundle):tflite-int8)
RESULTS := training/results

.PHONY: model model-runs model-results model-seeds headline
model: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json
model-runs: $(MADE)/qat_small/run.json $(MADE)/qat_accurate/run.json

# Pictures of other sources are packed only if they may teach.
$(PACKED)/domains.csv: | $(WORKSHOP)
	$(SAY) data pack --data $(DATA) --domains $(DOMAINS) --out $(PACKED)

$(TEACHER)/run.json: $(PACKED)/domains.csv
	$(SAY) train teacher_lite2 $(FROM) --out $(@D) $(GO_ON) $(call SHORTER,teacher) \
		--weights $(WEIGHTS)/efficientnet_lite2-imagenet.safetensors

$(MADE)/student_small/run.json: $(MADE)/student_accurate/run.json
$(MADE)/student_%/run.json: $(TEACHER)/run.json
	$(SAY) distill student_$* $(TEACH_$*:%=--teacher %) $(FROM) --out $(@D) $(GO_ON) $(call SHORTER,$*) \
		--weights $(WEIGHTS)/$(START_$*)-imagenet.safetensors

$(MADE)/qat_%/run.json: $(MADE)/student_%/run.json
	$(SAY) distill qat_$* --from $(MADE)/student_$* $(TEACH_$*:%=--teacher %) $(FROM) --out $(@D) $(GO_ON) \
		$(call SHORTER,qat)

$(MADE)/%/manifest.json: $(MADE)/qat_%/run.json
	$(SAY) export $(MADE)/qat_$* --data $(PACKED)/data --out $(@D) --name $* --licence Apache-2.0 \
		--known-score best --calibration-domains $(DOMAINS) --last-look

# What the README says of them, on the test part.
model-results: model
	$(SAY) compare $(TEACHER) $(NETWORKS) --data $(PACKED)/data --unknown rendered --elsewhere --json > $(MADE)/model.json
	$(SAY) compare $(TEACHER) $(NETWORKS) --data $(PACKED)/data --robustness --markdown $(RESULTS)/robustness.md \
		--plot $(RESULTS)/robustness.png
	mv $(MADE)/model.json $(RESULTS)/model.json
	$(MAKE) headline domains-results

# How much of the small one's accuracy is its training's chance: two more seeds, on the same split, by the same teachers.
model-seeds: model
	mkdir -p $(MADE)/seeds_small
	cp -rT $(MADE)/student_small $(MADE)/seeds_small/seed-0
	$(SAY) distill student_small $(TEACH_small:%=--teacher %) $(FROM) --out $(MADE)/seeds_small \
		$(call SHORTER,small) --weights $(WEIGHTS)/$(START_small)-imagenet.safetensors --seeds 0,1,2 --resume
	cp $(MADE)/seeds_small/summary.json $(RESULTS)/seeds_small.json

headline: $(WORKSHOP)
	.venv-dev/bin/python -m tools.headline

.PRECIOUS: $(TEACHER)/run.json $(MADE)/student_%/run.json $(MADE)/qat_%/run.json $(PACKED)/domains.csv
