# Builds side by side, so that they end when the script that asked for them does.
# shellcheck shell=bash

builders=()

# Runs a command next to us, in a process group of its own: a signal to it reaches its compilers too.
beside() {
    set -m
    "$@" &
    builders+=("$!")
    set +m
}

# Waits for all of them; the first that fails ends the others and us.
all_built() {
    local builder
    for builder in "${builders[@]}"; do
        wait "$builder" || die "the build failed, see above"
    done
    builders=()
}

end_builders() {
    local builder
    for builder in ${builders[@]+"${builders[@]}"}; do kill -TERM -- "-$builder" 2>/dev/null || true; done
}

trap end_builders EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

go_programs() {
    scripts/livekit-server >/dev/null
    scripts/phone >/dev/null
}

# The deployed stack on this machine: the real router, built for Lambda, and the emulator. A release build: minutes.
stack_programs() {
    scripts/aws-emulator >/dev/null
    # In the work tree itself: sam would copy all of it otherwise, with what is in target/.
    scripts/sam build --build-in-source >&2
}

stack_environment() {
    AWS_EMULATOR=$(scripts/aws-emulator)
    SAM=$root/scripts/sam
    SAM_TEMPLATE=$root/.aws-sam/build/template.yaml
    export AWS_EMULATOR SAM SAM_TEMPLATE
}
