#!/bin/sh
# A long script of everyday things; its output is the same natively and in the guest.
set -u
export LC_ALL=C
work=$1
cd "$work" || exit 1

title() { echo "== $*"; }

title functions and recursion
fib() {
    if [ "$1" -lt 2 ]; then echo "$1"; return; fi
    echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2)))))
}
fib 7
gcd() { a=$1 b=$2; while [ $b -ne 0 ]; do t=$((a % b)); a=$b; b=$t; done; echo $a; }
gcd 1071 462

title expansions
path=/usr/local/share/file.tar.gz
echo "${path##*/} ${path%/*} ${path%%.*} ${path#*.} ${#path}"
unset nothing
echo "${nothing:-default} ${nothing-unset} ${path:+set}"
: "${nothing:=assigned}"
echo "$nothing"
set -- one "two words" three
echo "$# $1 $2"
for word in "$@"; do echo "<$word>"; done
shift 2
echo "$*"
IFS=:
set -- a:b:c
for part in $1; do echo "part $part"; done
unset IFS

title here-documents
name=world
cat <<END
hello $name $((6 * 7)) $(echo nested)
END
cat <<'END'
no $expansion `here`
END
cat <<-END
	tabs go
	END

title pipelines
printf '%s\n' pear apple fig apple | sort | uniq -c | sort -rn | awk '{print $2 ":" $1}'
seq 1 100 | awk '{s += $1} END {print s}'
echo "a b c" | { read -r x y z; echo "$z $y $x"; }
seq 20 | while read -r n; do
    case $n in
    *5) echo "five: $n" ;;
    1[0-2]) echo "teens: $n" ;;
    esac
done
false | true; echo "status $?"
! true; echo "not $?"

title files
mkdir -p tree/a/b tree/c
echo first > tree/a/one
echo second > tree/a/b/two
cp tree/a/one tree/c/copy
ln tree/a/one tree/c/hard
ln -s ../a/one tree/c/soft
find tree | sort
cat tree/c/soft
stat -c '%n %h %s %F' tree/a/one tree/c/hard
[ tree/a/one -ef tree/c/hard ] && echo same
[ -L tree/c/soft ] && readlink tree/c/soft
mv tree/a/b tree/moved
ls -R tree
chmod 640 tree/a/one
stat -c '%a %A' tree/a/one
rm -r tree/c
[ -e tree/c ] || echo gone
touch -d '2001-02-03 04:05:06' tree/stamp
date -u -r tree/stamp '+%Y-%m-%d'

title archives
tar cf all.tar tree
tar tf all.tar | sort
mkdir out
tar xf all.tar -C out
diff -r tree out/tree && echo identical
gzip -c all.tar | gunzip | cmp - all.tar && echo round trip
tar cf - tree/a | tar tf - | wc -l

title text
cat > data <<END
alice 30 london
bob 25 paris
carol 35 rome
END
sort -k2n data
cut -d' ' -f1,3 data | tr a-z A-Z
sed -e 's/\([a-z]*\) \([0-9]*\)/\2 \1/' -e '/bob/d' data
awk '$2 > 26 {n++; names = names $1 " "} END {print n, names}' data
grep -n 'r' data
grep -c . data
head -n 1 data; tail -n 1 data
paste -d, data data | head -n 1
tr -s ' ' '\n' < data | sort | tail -n 3
printf 'one\ntwo\nthree\n' > x1; printf 'one\n2\nthree\n' > x2
diff x1 x2
comm -12 x1 x1
xargs -n 2 echo pair < x1
od -c x2 | head -n 1
wc x1

title processes
(exit 3); echo "subshell $?"
sh -c 'exit 4'; echo "shell $?"
sleep 0.01 & wait $!; echo "waited $?"
(sleep 5 & kill $!; wait $!; echo "killed $?") 2> /dev/null
sh -c 'kill -TERM $$' 2> /dev/null; echo "signal $?"
( trap 'echo trapped; exit 9' TERM; kill -TERM $(sh -c 'echo $PPID'); sleep 1 ); echo "trap $?"
( trap 'echo leaving' EXIT; echo inside )
echo "in the background" > bg & wait; cat bg
for i in 1 2 3; do (sleep 0.0$i; echo "job $i") & done; wait
mkfifo queue
(echo "through the queue" > queue) &
cat queue
wait
exec 3> third; echo "third file" >&3; exec 3>&-; cat third
{ echo out; echo err >&2; } 2> errors; cat errors
command -v no-such-command || echo "not found $?"
no-such-command 2> /dev/null; echo "missing $?"
env -i A=1 B=2 env | sort
x=outer; (x=inner; echo $x); echo $x

title arithmetic
echo $((0x1f + 010 + 5)) $((7 / 2)) $((-7 % 3)) $((1 << 10)) $((5 > 3 && 2 > 1)) $((3 == 3 ? 8 : 9))
i=0; while :; do i=$((i + 1)); [ $i -eq 3 ] && continue; [ $i -gt 5 ] && break; printf '%d ' $i; done; echo
until [ $i -eq 0 ]; do i=$((i - 1)); done; echo $i
printf '%05.2f|%-5s|%5s|%x|%o|%c\n' 3.14159 ab cd 255 8 z
expr 2 + 3 \* 4
echo '2^64' | bc 2> /dev/null || echo "no bc"

title numbers of primes
n=2; primes=
while [ $n -lt 60 ]; do
    d=2; is=1
    while [ $((d * d)) -le $n ]; do
        [ $((n % d)) -eq 0 ] && is=0 && break
        d=$((d + 1))
    done
    [ $is = 1 ] && primes="$primes $n"
    n=$((n + 1))
done
echo $primes

title permissions
umask 027; : > masked; stat -c %a masked; umask 022
mkdir closed; chmod 000 closed; ls -ld closed | cut -c1-10; chmod 755 closed
dd if=/dev/zero bs=1000 count=5 2> /dev/null | wc -c
dd if=x1 bs=4 skip=1 count=1 2> /dev/null; echo
md5sum x1 data | cut -c1-32
[ "$(mktemp -d ./dirXXXXXX | wc -c)" -eq 12 ] && echo "temporary directory"
ls *x[12]* | tr '\n' ' '; echo
echo *.none 'quoted *' "a"'b'\c
eval 'v=evaluated; echo $v'
set -- $(echo 3 1 2); echo "$3$2$1"
getopts ab: opt -b value && echo "$opt $OPTARG"
title a stack and a queue
stack=
push() { stack="$1 $stack"; }
pop() { set -- $stack; top=$1; shift; stack="$*"; }
for item in a b c; do push $item; done
pop; echo "$top"; pop; echo "$top / $stack"
while [ -n "$stack" ]; do pop; done; echo "empty: <$stack>"

title sorting by hand
list="5 3 9 1 7"
sorted=
while [ -n "$list" ]; do
    set -- $list
    least=$1
    for n; do [ "$n" -lt "$least" ] && least=$n; done
    rest=
    taken=
    for n; do
        if [ -z "$taken" ] && [ "$n" = "$least" ]; then taken=1; else rest="$rest $n"; fi
    done
    sorted="$sorted $least"
    list=$rest
    list=${list# }
done
echo $sorted

title reading back
exec 4< data
read -r first <&4; read -r second <&4
exec 4<&-
echo "[$first] [$second]"
while IFS=' ' read -r who age where; do
    [ "$age" -ge 30 ] || continue
    printf '%-8s%3d %s\n' "$who" "$age" "$where"
done < data > table
cat table
n=0; for f in *; do [ -d "$f" ] && n=$((n + 1)); done; echo "$n directories"

printf 'done %s\n' "$(basename "$work" | wc -l)"
exit 7
