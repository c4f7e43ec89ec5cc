#!/usr/bin/env bash
# Fetches the source of lwIP 2.1.3 for meson's wrap (subprojects/lwip.wrap). As an ordinary user.
#
# usage: tools/fetch-lwip.sh [--from debian|release|FILE] [--help]
#   debian    the source package `lwip`, by apt, which checks its signature (default where apt-get is)
#   release   lwIP's own release archive
#   FILE      an archive that is here already (either of the two)
#
# Both archives hold the same files (Debian's leaves generated documentation out). The part that is
# built is packed again in one exact form, and the hash of that is what the wrap checks, so it does
# not matter where it came from. Leaves at once when that is there. Nothing of the system is changed:
# apt works on a private copy of its configuration.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.1.3
release=https://download.savannah.nongnu.org/releases/lwip/lwip-$version.zip
packed=subprojects/packagefiles/lwip-$version-src.tar
hash=$(sed -n 's/^source_hash *= *//p' subprojects/lwip.wrap)

die() { echo "tools/fetch-lwip.sh: $*" >&2; exit 1; }

from=
while [ $# -gt 0 ]; do
    case $1 in
    --from) [ $# -gt 1 ] || die "--from needs debian, release or a file"; from=$2; shift ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1; see --help" ;;
    esac
    shift
done
[ -n "$from" ] || { command -v apt-get >/dev/null && from=debian || from=release; }

intact() { [ -f "$packed" ] && echo "$hash  $packed" | sha256sum --check --status; }

# Meson unpacks and patches once; it must do so again when our part of the subproject has changed.
renew() {
    local stamp=subprojects/lwip-$version/.packagefiles now
    now=$(find subprojects/packagefiles -type f ! -name '*.tar' -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
    if [ -d "subprojects/lwip-$version" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
        rm -rf "subprojects/lwip-$version"
    fi
    [ -d "subprojects/lwip-$version" ] || meson subprojects download lwip >/dev/null ||
        die "meson could not unpack lwIP; see the lines above"
    echo "$now" >"$stamp"
}

if intact; then
    renew
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch_debian() {
    local file opts
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/got"
    : >"$work/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >>"$work/sources.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/parts/${file##*/}"
    done
    opts=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts"
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1
        -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none)
    apt-get "${opts[@]}" update || die "apt-get update failed; try --from release"
    (cd "$work/got" && apt-get "${opts[@]}" source --download-only lwip) ||
        die "there is no source package lwip; try --from release"
    archive=$(ls "$work"/got/lwip_"$version"*.orig.tar.*) ||
        die "Debian's lwip is not $version here; try --from release"
}

fetch_release() {
    archive=$work/lwip-$version.zip
    if command -v curl >/dev/null; then
        curl -fsSL -o "$archive" "$release"
    else
        wget -q -O "$archive" "$release"
    fi || die "cannot fetch $release"
}

case $from in
debian) fetch_debian ;;
release) fetch_release ;;
*) [ -f "$from" ] || die "no file $from"; archive=$from ;;
esac

python3 - "$archive" "$work/all" <<'PYTHON'
import shutil, sys
shutil.unpack_archive(sys.argv[1], sys.argv[2])
PYTHON
tree=$work/all/lwip-$version
[ -d "$tree/src" ] || die "$archive does not hold lwip-$version/src"
mkdir "$work/out"
mkdir "$work/out/lwip-$version"
cp -r "$tree/src" "$tree/COPYING" "$work/out/lwip-$version/"
find "$work/out" -type f -exec sed -i 's/\r$//' {} +
find "$work/out" -type d -exec chmod 755 {} +
find "$work/out" -type f -exec chmod 644 {} +
tar -C "$work/out" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar \
    -cf "$work/packed.tar" "lwip-$version"
mv "$work/packed.tar" "$packed"
intact || die "what $archive holds is not lwIP $version as it was when takt was built with it:
  sha256 $(sha256sum "$packed" | cut -d' ' -f1), expected $hash. It stays in $packed for you to look at."
rm -rf "subprojects/lwip-$version"
renew
touch dataplane/port/lwip/meson.build # a build directory that had no lwIP looks again
echo "lwIP $version: $packed"
