#!/bin/sh
# Written by `meshwright setup`; the Docker daemon's OCI runtime where this
# machine's processes lack CAP_SYS_RESOURCE. runc cannot grant what it does not
# have and fails on a privileged container, so the capability is taken out of
# what it is asked for. The edit is textual because tools that parse JSON round
# the 64-bit limits in these files.
set -eu
op= file= previous=
for arg in "$@"; do
	case $arg in
	create | run | restore | exec) op=${op:-$arg} ;;
	--bundle=*) file=${arg#*=}/config.json ;;
	--process=*) file=${arg#*=} ;;
	esac
	case $op:$previous in
	exec:--process | exec:-p) file=$arg ;;
	exec:*) ;;
	*:--bundle | *:-b) file=$arg/config.json ;;
	esac
	previous=$arg
done
[ "$op" = exec ] || [ -z "$op" ] || file=${file:-config.json}
if [ -n "$op" ] && [ -f "$file" ]; then
	list='("(bounding|effective|inheritable|permitted|ambient)"[[:space:]]*:[[:space:]]*\[[^]]*)'
	sed -E -z -i -e ":a; s/$list\"CAP_SYS_RESOURCE\"[[:space:]]*,?/\1/; ta" \
		-e "s/$list,[[:space:]]*\]/\1]/g" "$file"
fi
exec @RUNC@ "$@"
