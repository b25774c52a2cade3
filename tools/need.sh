#!/bin/bash
# need.sh PACKAGE... - makes sure that Debian's packages are there
#
# As root it installs what is missing, without letting a package start a
# service; otherwise it prints the one command to type and ends with 1.
set -u
installed=$(dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null | awk '/ ok installed$/ { print $1 }')
missing=()
for package; do
	grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
	echo "missing packages; please type:" >&2
	echo "  sudo $command" >&2
	exit 1
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	made=1
fi
log=$(mktemp)
if ! $command >"$log" 2>&1; then
	apt-get update >>"$log" 2>&1
	$command >>"$log" 2>&1
fi
status=$?
[ -n "$made" ] && rm -f $policy
if [ $status -ne 0 ]; then
	tail -n 20 "$log" >&2
	echo "could not install: $command" >&2
fi
rm -f "$log"
exit $status
