# The only verbs. What each needs it installs or builds by itself, or says what is missing; builds are kept.

.PHONY: demo test check advisories build deploy build-RouterFunction build-WatcherFunction bench chaos image push clean

# One call on this machine: make demo, or make demo MESSAGE=file.json. No account, no Docker. With STACK=1 it goes
# through template.yaml, deployed to an AWS emulator.
demo:
	@exec scripts/demo $(if $(MESSAGE),--message '$(MESSAGE)') $(if $(STACK),--stack)

# Every test there is; ends with one line: N passed, N failed, N skipped.
test:
	@exec scripts/test

# Format, lints, licences, who may depend on what.
check:
	@exec scripts/check

# Known holes in what we depend on. Apart from check because it asks the network, and its answer changes by itself.
advisories:
	@exec scripts/advisories

# Everything that demo and test run, and the function as it is deployed (sam build).
build:
	@exec scripts/build

# Builds and deploys a stage into your AWS account: make deploy STAGE=dev, or with parameters of template.yaml for this
# time, make deploy STAGE=dev SET="CapacityProvider=FARGATE_SPOT". What a stage is stands in infra/STAGE.yaml.
deploy:
	@exec scripts/deploy '$(STAGE)' $(SET)

# sam asks for these, one for each function.
build-RouterFunction:
	@exec scripts/function router '$(ARTIFACTS_DIR)'

build-WatcherFunction:
	@exec scripts/function watcher '$(ARTIFACTS_DIR)'

# What a call costs here: times, memory, CPU, beside a bridge on LiveKit's Python SDK and beside LiveKit's own engine.
# Prints tables and writes bench/report.md. make bench ROUNDS=2 is a try and takes minutes less. make bench SOAK=1 carries
# 2,000 short calls and one of an hour (SHORT_CALLS=200, LONG_CALL_MINUTES=1) and fails where a worker keeps something.
bench:
	@ROUNDS='$(ROUNDS)' CALLS='$(CALLS)' SOAK='$(SOAK)' SHORT_CALLS='$(SHORT_CALLS)' \
		LONG_CALL_MINUTES='$(LONG_CALL_MINUTES)' scripts/bench

# Simulated campaign days, from a seed, until so many attempts were made; any promise of the call folder that breaks is
# told with what led to it: make chaos, or make chaos ATTEMPTS=10000000 SEED=7, and DAY=3 TRACE=key to look again.
chaos:
	@ATTEMPTS='$(ATTEMPTS)' SEED='$(SEED)' DAY='$(DAY)' TRACE='$(TRACE)' BREAK='$(BREAK)' TALLY='$(TALLY)' scripts/chaos

# The image that carries a call, for ARCH=x86_64 or arm64. make image push STAGE=dev: into that stage's repository, too.
image:
	@scripts/image >/dev/null

push: image
	@scripts/image-push '$(STAGE)' >/dev/null

# What the work tree's builds left. What is kept outside it stays: scripts/prelude.sh says where that is.
clean:
	cargo clean
	rm -rf .demo .aws-sam
