#!/bin/sh
# Makes copy INDEX of a stack: renames stack_instance to stack_instance_INDEX and makes every other
# symbol local, so that each copy has globals of its own.
#
# usage: copy.sh OBJCOPY OBJECT INDEX OUTPUT
set -eu
"$1" --redefine-sym "stack_instance=stack_instance_$3" --keep-global-symbol="stack_instance_$3" "$2" "$4"
