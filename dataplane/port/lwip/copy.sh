#!/bin/sh
# Makes copy INDEX of a stack: links all of the archives into one object, renames stack_instance to
# stack_instance_INDEX and makes every other symbol local, so that each copy has globals of its own.
#
# usage: copy.sh LD OBJCOPY OUTPUT INDEX ARCHIVE...
set -eu
ld=$1 objcopy=$2 output=$3 index=$4
shift 4
"$ld" -r --whole-archive "$@" -o "$output.all"
"$objcopy" --redefine-sym "stack_instance=stack_instance_$index" \
    --keep-global-symbol="stack_instance_$index" "$output.all" "$output"
rm -f "$output.all"
