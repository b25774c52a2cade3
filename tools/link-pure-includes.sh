#!/bin/sh
# link-pure-includes.sh SRC DEST FOLDER... - an include path on which only the
# pure folders stand, so that breaking the direction of includes fails to build
set -e
src=$1 dest=$2
shift 2
mkdir -p "$dest"
for folder; do
	ln -sfn "$src/$folder" "$dest/$folder"
done
