#!/bin/sh
# man-options.sh ULAK - puts the list of settings into man/ulak.toml.5
#
# The list is what `ULAK config manual` prints, from the table of settings. A
# unit test (config/settings_man) fails when the page is not as this makes it.
set -e
cd "$(dirname "$0")/.."
page=man/ulak.toml.5
list=$(mktemp)
trap 'rm -f "$list" "$page.new"' EXIT
"$1" config manual >"$list"
sed -e "/^\.\\\\\" From here/r $list" -e '/^\.\\" From here/,/^\.\\" END/{/^\.\\" From here/b;/^\.\\" END/b;d}' "$page" >"$page.new"
cat "$page.new" >"$page"
