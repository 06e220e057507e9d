# The shipped bundles, from photographs: `make model`. A step that is finished is not done again, one that was stopped
# goes on. `make model DATA=photos WEIGHTS=folder DOMAINS=sources.csv` takes other ones. `make model DEVICE=cuda` makes
# other networks, for which two cores are too slow, all from item crops and other sources, into runs/model-cuda; `make model-runs
# DEVICE=cuda` leaves out the exports, for a machine that has a GPU and no exporters: carry runs/model-cuda/packed there
# and the runs back. training/README.md says how long each step takes.

DATA ?= ../shared/data/trashnet
DOMAINS ?= ../shared/data/elsewhere-and-unknown.csv
WEIGHTS ?= ../shared/weights
DEVICE ?= cpu
MADE ?= runs/$(if $(filter cuda,$(DEVICE)),model-cuda,model)
PACKED ?= $(MADE)/packed
SAY ?= .venv-dev/bin/waste-edge
GO_ON = $(if $(wildcard $(@D)/split.csv),--resume)
# What learns from the photographs alone, and what learns from item crops and other sources too.
PLAIN = --data $(DATA) --device $(DEVICE) --out $(@D) $(GO_ON) $(MORE)
ifeq ($(DEVICE),cuda)
GATHERED = --data $(PACKED)/data --domains $(PACKED)/domains.csv
else
GATHERED = --data $(DATA) --domains $(DOMAINS)
endif
ITEMS = $(GATHERED) --stock $(MADE)/stock --device $(DEVICE) --out $(@D) \
	$(GO_ON) $(MORE)
START = --weights $(WEIGHTS)/$(1)-imagenet.safetensors
TEACH = $(1:%=--teacher $(MADE)/%)
NETWORKS := $(MADE)/small:tflite-fp32 $(MADE)/small:tflite-int8 $(MADE)/accurate:tflite-int8
RESULTS := training/results

ifeq ($(DEVICE),cuda)
TEACHERS := teacher_lite2
LAST_small := qat_small_item
LAST_accurate := qat_lite0
else
TEACHERS := teacher_edgetpu teacher_mobilenet_v2_away
LAST_small := taught_small
LAST_accurate := settled_lite0
endif
VERSION_small := 5
VERSION_accurate := 6
CALIBRATED_accurate := --calibration-domains $(DOMAINS) --recipe export/thresholds/accurate.toml --int8-only
CALIBRATED_small := --calibration-domains $(DOMAINS) --recipe export/thresholds/small.toml

.PHONY: model model-runs model-results model-seeds headline
model: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json
model-runs: $(MADE)/$(LAST_small)/run.json $(MADE)/$(LAST_accurate)/run.json

# From the photographs alone: `small`, and a larger network that is one of its teachers.
BEFORE := teacher_edgetpu teacher_mobilenet_v2_away
$(MADE)/teacher_edgetpu/run.json: | $(WORKSHOP)
	$(SAY) train teacher_edgetpu $(PLAIN) $(call START,mobilenet_edgetpu_100)

$(MADE)/teacher_mobilenet_v2_away/run.json: | $(WORKSHOP)
	$(SAY) train teacher_mobilenet_v2_away $(PLAIN) $(call START,mobilenet_v2-100)

$(MADE)/student_accurate/run.json: $(BEFORE:%=$(MADE)/%/run.json)
	$(SAY) distill student_accurate $(call TEACH,$(BEFORE)) $(PLAIN) $(call START,mobilenetv1_050)

SMALL := $(BEFORE) student_accurate
$(MADE)/student_small/run.json: $(SMALL:%=$(MADE)/%/run.json)
	$(SAY) distill student_small $(call TEACH,$(SMALL)) $(PLAIN) $(call START,mobilenetv1_050)

# `accurate` as it was until version 3.
$(MADE)/qat_accurate/run.json: $(MADE)/student_accurate/run.json
	$(SAY) distill qat_accurate --from $(MADE)/student_accurate $(call TEACH,$(BEFORE)) $(PLAIN)

$(MADE)/qat_small/run.json: $(MADE)/student_small/run.json
	$(SAY) distill qat_small --from $(MADE)/student_small $(call TEACH,$(SMALL)) $(PLAIN)

# `small` as it was until version 3: its FP32 network is what `taught_small` goes on from.
$(MADE)/small_2/manifest.json: $(MADE)/qat_small/run.json
	$(SAY) export $(MADE)/qat_small --data $(DATA) --out $(@D) --name small --version 2 --licence Apache-2.0

$(MADE)/taught_small/run.json: $(MADE)/small_2/manifest.json $(MADE)/tuned_lite0/run.json
	$(SAY) distill taught_small $(call TEACH,tuned_lite0) $(ITEMS) --weights $(MADE)/small_2/model-fp32.onnx

# From item crops and other sources. Pictures of other sources are packed only if they may teach.
$(PACKED)/domains.csv: | $(WORKSHOP)
	$(SAY) data pack --data $(DATA) --domains $(DOMAINS) --out $(PACKED)

$(MADE)/probe_lite0/run.json: $(PACKED)/domains.csv
	$(SAY) train probe_lite0 $(ITEMS) $(call START,efficientnet_lite0)

$(MADE)/tuned_lite0/run.json: | $(WORKSHOP)
	$(SAY) train tuned_lite0 $(ITEMS) $(call START,efficientnet_lite0)

$(MADE)/settled_lite0/run.json: $(MADE)/tuned_lite0/run.json
	$(SAY) train settled_lite0 $(ITEMS) --weights $(MADE)/tuned_lite0/model.safetensors

$(MADE)/teacher_lite2/run.json: $(PACKED)/domains.csv
	$(SAY) train teacher_lite2 $(ITEMS) $(call START,efficientnet_lite2)

$(MADE)/student_lite0/run.json: $(MADE)/teacher_lite2/run.json
	$(SAY) distill student_lite0 $(call TEACH,teacher_lite2) $(ITEMS) $(call START,efficientnet_lite0)

$(MADE)/qat_lite0/run.json: $(MADE)/student_lite0/run.json
	$(SAY) distill qat_lite0 --from $(MADE)/student_lite0 $(call TEACH,teacher_lite2) $(ITEMS)

ITEM := teacher_lite2 student_lite0
$(MADE)/student_small_item/run.json: $(ITEM:%=$(MADE)/%/run.json)
	$(SAY) distill student_small_item $(call TEACH,$(ITEM)) $(ITEMS) $(call START,mobilenetv1_050)

$(MADE)/qat_small_item/run.json: $(MADE)/student_small_item/run.json
	$(SAY) distill qat_small_item --from $(MADE)/student_small_item $(call TEACH,$(ITEM)) $(ITEMS)

$(MADE)/small/manifest.json: $(MADE)/$(LAST_small)/run.json
$(MADE)/accurate/manifest.json: $(MADE)/$(LAST_accurate)/run.json
$(MADE)/small/manifest.json $(MADE)/accurate/manifest.json:
	$(SAY) export $(<D) --data $(DATA) --out $(@D) --name $(notdir $(@D)) --version $(VERSION_$(notdir $(@D))) --licence Apache-2.0 \
		$(CALIBRATED_$(notdir $(@D))) --last-look

# What the README says of them, on the test part.
model-results: model
	$(SAY) compare $(TEACHERS:%=$(MADE)/%) $(NETWORKS) --data $(DATA) --unknown rendered --elsewhere --json > $(MADE)/model.json
	$(SAY) compare $(TEACHERS:%=$(MADE)/%) $(NETWORKS) --data $(DATA) --robustness --markdown $(RESULTS)/robustness.md \
		--plot $(RESULTS)/robustness.png
	mv $(MADE)/model.json $(RESULTS)/model.json
	$(MAKE) headline domains-results

# How much of the small one's accuracy is its training's chance: two more seeds, on the same split, by the same teachers.
model-seeds: $(MADE)/student_small/run.json
	mkdir -p $(MADE)/seeds_small
	cp -rT $(MADE)/student_small $(MADE)/seeds_small/seed-0
	$(SAY) distill student_small $(call TEACH,$(SMALL)) --data $(DATA) --out $(MADE)/seeds_small \
		$(call START,mobilenetv1_050) --seeds 0,1,2 --resume
	cp $(MADE)/seeds_small/summary.json $(RESULTS)/seeds_small.json

headline: $(WORKSHOP)
	.venv-dev/bin/python -m tools.headline

.PRECIOUS: $(MADE)/%/run.json $(PACKED)/domains.csv
