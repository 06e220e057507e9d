# The default model from photographs to bundle: `make model`. A step that is finished is not done again, one that was
# stopped goes on; `make model DATA=photos WEIGHTS=folder` takes other ones.
# On 2 cores each step takes what training/LOG.md says; on a GPU minutes.

DATA ?= ../shared/data/trashnet
WEIGHTS ?= ../shared/weights
MADE ?= runs/model
SAY := .venv-dev/bin/waste-edge
GO_ON = $(if $(wildcard $(@D)/split.csv),--resume)

.PHONY: model
model: $(MADE)/small/manifest.json $(MADE)/accurate/manifest.json

$(MADE)/teacher/run.json: $(WORKSHOP)
	$(SAY) train teacher_edgetpu --data $(DATA) --weights $(WEIGHTS)/mobilenet_edgetpu_100-imagenet.safetensors \
		--out $(@D) $(GO_ON)

$(MADE)/student_%/run.json: $(MADE)/teacher/run.json
	$(SAY) distill student_$* --teacher $(MADE)/teacher --data $(DATA) \
		--weights $(WEIGHTS)/mobilenetv1_050-imagenet.safetensors --out $(@D) $(GO_ON)

$(MADE)/qat_%/run.json: $(MADE)/student_%/run.json
	$(SAY) distill qat_$* --from $(MADE)/student_$* --teacher $(MADE)/teacher --data $(DATA) --out $(@D) $(GO_ON)

$(MADE)/%/manifest.json: $(MADE)/qat_%/run.json
	$(SAY) export $(MADE)/qat_$* --data $(DATA) --out $(@D) --name $*

.PRECIOUS: $(MADE)/teacher/run.json $(MADE)/student_%/run.json $(MADE)/qat_%/run.json
