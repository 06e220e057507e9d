# The shipped bundles, from photographs: `make model`. A step that is finished is not done again, one that was stopped
# goes on; `make model DATA=photos WEIGHTS=folder` takes other ones. training/README.md says how long each step takes.

DATA ?= ../shared/data/trashnet
WEIGHTS ?= ../shared/weights
MADE ?= runs/model
SAY := .venv-dev/bin/waste-edge
GO_ON = $(if $(wildcard $(@D)/split.csv),--resume)
TEACHERS := $(MADE)/teacher_edgetpu $(MADE)/teacher_mobilenet_v2_away
# The accurate student is one of the small one's teachers.
TEACH_accurate := $(TEACHERS)
TEACH_small := $(TEACHERS) $(MADE)/student_accurate
IMAGENET_teacher_edgetpu := mobilenet_edgetpu_100
IMAGENET_teacher_mobilenet_v2_away := mobilenet_v2-100
START := $(WEIGHTS)/mobilenetv1_050-imagenet.safetensors
NETWORKS := $(foreach bundle,small accurate,$(MADE)/$(bundle):tflite-fp32 $(MADE)/$(bundle):tflite-int8)
RESULTS := training/results

.PHONY: model model-results model-seeds headline
model: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json

$(TEACHERS:%=%/run.json): | $(WORKSHOP)
	$(SAY) train $(notdir $(@D)) --data $(DATA) --out $(@D) $(GO_ON) \
		--weights $(WEIGHTS)/$(IMAGENET_$(notdir $(@D)))-imagenet.safetensors

$(MADE)/student_small/run.json: $(MADE)/student_accurate/run.json
$(MADE)/student_%/run.json: $(TEACHERS:%=%/run.json)
	$(SAY) distill student_$* $(TEACH_$*:%=--teacher %) --data $(DATA) --out $(@D) $(GO_ON) \
		--weights $(START)

$(MADE)/qat_%/run.json: $(MADE)/student_%/run.json
	$(SAY) distill qat_$* --from $(MADE)/student_$* $(TEACH_$*:%=--teacher %) --data $(DATA) --out $(@D) $(GO_ON)

$(MADE)/%/manifest.json: $(MADE)/qat_%/run.json
	$(SAY) export $(MADE)/qat_$* --data $(DATA) --out $(@D) --name $* --licence Apache-2.0 \
		--known-score best --last-look

# What the README says of them, on the test part.
model-results: model
	$(SAY) compare $(TEACHERS) $(NETWORKS) --data $(DATA) --unknown rendered --elsewhere --json > $(MADE)/model.json
	$(SAY) compare $(TEACHERS) $(NETWORKS) --data $(DATA) --robustness --markdown $(RESULTS)/robustness.md \
		--plot $(RESULTS)/robustness.png
	mv $(MADE)/model.json $(RESULTS)/model.json
	$(MAKE) headline

# How much of the small one's accuracy is its training's chance: two more seeds, on the same split, by the same teachers.
model-seeds: model
	mkdir -p $(MADE)/seeds_small
	cp -rT $(MADE)/student_small $(MADE)/seeds_small/seed-0
	$(SAY) distill student_small $(TEACH_small:%=--teacher %) --data $(DATA) --out $(MADE)/seeds_small \
		--weights $(START) --seeds 0,1,2 --resume
	cp $(MADE)/seeds_small/summary.json $(RESULTS)/seeds_small.json

headline: $(WORKSHOP)
	.venv-dev/bin/python -m tools.headline

.PRECIOUS: $(TEACHERS:%=%/run.json) $(MADE)/student_%/run.json $(MADE)/qat_%/run.json
