# The probe answers every question of one observation in one process. It prints one answer per line: the nonce
# of the observation, which is its first argument, and a JSON array ["section","key",value]. PATH and the
# environment are printed as they are, between the lines "NONCE raw SECTION" and "NONCE end of raw". It needs
# nothing but a POSIX shell; a question that needs a program which the image lacks gets {"unseen": reason} as its
# value.
#
# Each further parameter is one question, its words separated by the unit separator (\037). No word is
# ever read as shell text:
#   tool NAME [ARG...]            look NAME up in PATH; with arguments, run it
#   feature NAME LABEL ARG...     run NAME with these arguments
#   work NAME SECONDS PART...     let NAME do its work in a scratch folder; each PART is one of
#     set VARIABLE VALUE            an environment variable
#     file NAME CONTENT             a file
#     step PROGRAM STDIN INTO COUNT ARG...   one command; PROGRAM is the tool if empty, INTO a file for its output
#   path PATH                     type and details of PATH
#   shell PATH                    start this shell and let it calculate
#   resolve HOST                  the addresses of HOST
#   connect KEY HOST PORT         open a TCP connection
#   daemon                        look for a Docker daemon
#   daemon_settings               settings of the Docker daemon that the client reaches
#   listening                     sockets that listen
#   request URL                   the status of the response to an HTTP request
#   nix NAME...                   settings of Nix in effect
#   details PATH DIGEST CONTENT   owner, group, target, checksum and content of PATH
#   set_id                        files with a set-user-ID or set-group-ID bit
#   file_capabilities             files that carry capabilities
#   secret_files DIRECTORY...     names of files that hold a form of a known token, a private key or a password
#   ca_bundle                     number of certificates in the CA bundle
#   sudo                          whether sudo runs a command without a password
#   search_path                   the directories on PATH, and those above them
#   sysctl NAME                   a kernel setting
#   shared_memory                 the size of /dev/shm
#   time_zone                     the abbreviation of the time zone, and its offset
#   packages NAME...              the installed ones, from dpkg, apk or rpm
#   accounts                      entries of /etc/passwd and /etc/group, without passwords
#   processes ARGUMENTS           all processes; with their arguments if yes
# The section "end" closes a complete answer.

# shellcheck disable=SC3040 # these two know their options
# zsh splits no words and joins no lists as a POSIX shell does, unless it is told to; and it would count characters.
case ${ZSH_VERSION-} in ?*) emulate sh; set +o multibyte ;; esac
# yash that follows POSIX hides its own [ and printf where PATH has none.
case ${YASH_VERSION-} in ?*) set +o posixlycorrect ;; esac
# Job control messages and tools must not read the caller's input.
exec </dev/null
nonce=$1
shift

# find_tool NAME: sets $found to its path in the job's PATH, or empties it. `command -v` would also find
# builtins and functions of this shell, which a job's other programs cannot start.
find_tool() {
  found=
  remaining=$PATH:
  while [ -n "$remaining" ]; do
    dir=${remaining%%:*}
    remaining=${remaining#*:}
    [ -n "$dir" ] || dir=.
    if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then
      found=$dir/$1
      return
    fi
  done
}

nl='
'
# mksh and posh have no printf of their own, and the job's PATH may have none.
if [ "$(printf x 2>/dev/null)" != x ]; then
  if [ -n "${POSH_VERSION-}" ]; then
    # Its echo reads backslashes, which are therefore doubled.
    verbatim() {
      rest=$1 doubled=
      while :; do
        case $rest in
          *\\*) doubled=$doubled${rest%%\\*}\\\\ rest=${rest#*\\} ;;
          *) break ;;
        esac
      done
      # shellcheck disable=SC3037 # posh knows this one
      echo -n "$doubled$rest"
    }
    # shellcheck disable=SC3037 # the same
    interpret() { echo -n "$1"; }
  else
    verbatim() { print -rn -- "$1"; }
    interpret() { print -n -- "$1"; }
  fi
  ten='??????????'
  hundred=$ten$ten$ten$ten$ten$ten$ten$ten$ten$ten
  two_hundred=$hundred$hundred
  # It cuts nothing but what must be short: cutting serves speed elsewhere.
  printf() {
    case $1 in
      '%s') verbatim "$2" ;;
      '%s\n') verbatim "$2$nl" ;;
      '\n%s\n') verbatim "$nl$2$nl" ;;
      '%.200s')
        # shellcheck disable=SC2295 # a pattern is meant
        after=${2#$two_hundred}
        verbatim "${2%"$after"}"
        ;;
      '%.'*) verbatim "$2${1##*s}" ;;
      *) interpret "$1" ;;
    esac
  }
fi

# mark TEXT: prints a line that begins or ends a text of the job's own.
mark() { printf '\n%s\n' "$nonce $1"; }

# The environment is that of the shell's own start: a shell drops variables whose names it cannot write, and adds some.
find_tool cat; cat=$found
mark 'raw environ'
[ -n "$cat" ] && "$cat" /proc/$$/environ 2>/dev/null
environ=$?
mark 'end of raw'
# posh quotes nothing, so that a value with a line break can look like two variables.
if [ $environ -ne 0 ] && [ -z "${POSH_VERSION-}" ]; then
  mark 'raw env'
  export -p
  mark 'end of raw'
fi
mark 'raw path'
printf '%s' "${PATH-}"
mark 'end of raw'
LC_ALL=C
export LC_ALL

tab=$(printf '\t.'); tab=${tab%.}
cr=$(printf '\r.'); cr=${cr%.}
controls=$(printf '\001\002\003\004\005\006\007\010\013\014\016\017\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037\177.')
# zsh alone can hold NUL.
case ${ZSH_VERSION-} in ?*) controls=$(printf '\000')$controls ;; esac
# posh's echo reads no octal number without a leading zero.
controls=${controls%.} controls=${controls%'\177'}

# quote TEXT: sets $quoted to TEXT as a JSON string. Control characters become question marks, which bounds
# its length.
quote() {
  whole=$1 ready=
  # Some shells need quadratic time to split a text, so printf cuts it first.
  while [ ${#whole} -gt 500 ]; do
    piece=$(printf '%.500s.' "$whole")
    piece=${piece%.}
    # A printf that does not work must not keep the probe here.
    [ -n "$piece" ] || piece=$whole
    whole=${whole#"$piece"}
    escape "$piece"
    ready=$ready$escaped
  done
  escape "$whole"
  quoted="\"$ready$escaped\""
}

# escape TEXT: sets $escaped.
escape() {
  rest=$1 escaped=
  while :; do
    case $rest in
      *["\\\"$nl$tab$cr$controls"]*) ;;
      *) escaped=$escaped$rest; return ;;
    esac
    plain=${rest%%["\\\"$nl$tab$cr$controls"]*}
    rest=${rest#"$plain"}
    char=${rest%"${rest#?}"}
    rest=${rest#?}
    # shellcheck disable=SC1003 # two backslashes are meant
    case $char in
      \\) char='\\' ;;
      \") char='\"' ;;
      "$nl") char='\n' ;;
      "$tab") char='\t' ;;
      "$cr") char='\r' ;;
      *) char='?' ;;
    esac
    escaped=$escaped$plain$char
  done
}

# shorten TEXT [BYTES]: sets $short to at most 20 lines of at most 200 bytes, and to little more than BYTES. A line
# then fits one write to a pipe, so that answers of parallel questions never mix.
shorten() {
  left=$1 short='' lines=0
  [ ${#left} -gt 4000 ] && left=$(printf '%.4000s' "$left")
  while [ $lines -lt 20 ] && [ -n "$left" ]; do
    line=${left%%"$nl"*}
    case $left in
      *"$nl"*) left=${left#*"$nl"} ;;
      *) left= ;;
    esac
    [ ${#line} -gt 200 ] && line=$(printf '%.200s' "$line")
    [ ${#short} -gt "${2:-1200}" ] && break
    short="$short$line$nl"
    lines=$((lines + 1))
  done
  short=${short%"$nl"}
}

# say SECTION KEY JSON: prints one answer in one write, with a line break on either side. Some C libraries write
# the last one separately; an answer that comes in between then still has its own line.
say() {
  quote "$2"
  printf '\n%s\n' "$nonce [\"$1\",$quoted,$3]"
}

unseen() {
  shorten "$1"
  quote "$short"
  json="{\"unseen\":$quoted}"
}

if [ $environ -ne 0 ] && [ -n "${POSH_VERSION-}" ]; then
  unseen "the job's PATH has no cat(1), and posh prints no variable in quotes"
  say env "" "$json"
fi

find_tool timeout; timeout=$found
find_tool stat; stat=$found
find_tool true; true=$found
# SIGKILL follows for a program that ignores SIGTERM; old busybox has no option for that.
insist=
[ -n "$timeout" ] && [ -n "$true" ] && "$timeout" -k 1 1 "$true" 2>/dev/null && insist='-k 1'

find_tool sleep; sleep=$found
# bounded SECONDS COMMAND...: the command, with a deadline by timeout(1), or by a guard of the probe's own. The guard
# ends the command alone, not its children; none can be kept where the image has no sleep(1) either.
bounded() {
  limit=$1
  shift
  if [ -n "$timeout" ]; then
    # shellcheck disable=SC2086 # two words, or none
    "$timeout" $insist "$limit" "$@"
    ended=$?
  elif [ -n "$sleep" ]; then
    # A command in the background reads nothing unless its input comes by another descriptor.
    { "$@" <&3 3<&- & } 3<&0
    child=$!
    { "$sleep" "$limit"; kill -9 "$child"; } </dev/null >/dev/null 2>&1 &
    guard=$!
    wait "$child"
    ended=$?
    kill "$guard" 2>/dev/null || ended=124
  else
    "$@"
    ended=$?
  fi
  # A command that a signal ended has the status 128 and the signal; ksh adds 256 to it, and yash 384.
  if [ "$ended" -gt 384 ]; then ended=$((ended - 256)); elif [ "$ended" -gt 256 ]; then ended=$((ended - 128)); fi
  return "$ended"
}

yes_no() { if "$@"; then json=true; else json=false; fi; }

## identity

uid='' gid=''
if [ -r /proc/self/status ]; then
  while read -r field _ effective _; do
    case $field in
      Uid:) uid=$effective ;;
      Gid:) gid=$effective ;;
    esac
  done </proc/self/status
fi
if [ -n "$uid" ]; then
  user=
  if [ -r /etc/passwd ]; then
    while IFS=: read -r name _ id _; do
      [ "$id" = "$uid" ] && { user=$name; break; }
    done </etc/passwd
  fi
  if [ -z "$user" ]; then
    find_tool id
    # For a user without a name it fails, and prints the number.
    [ -n "$found" ] && { user=$("$found" -un 2>/dev/null) || user=; }
  fi
  quote "$user"; user=$quoted
  # Without id(1) nobody asked the other directories of users.
  [ "$user" = '""' ] && [ -z "$found" ] && { unseen "no entry for uid $uid in /etc/passwd"; user=$json; }
  quote "${HOME-}"; home=$quoted
  yes_no [ -d "${HOME:-/nonexistent}" ]; exists=$json
  yes_no [ -w "${HOME:-/nonexistent}" ]; writable=$json
  say identity "" "{\"uid\":$uid,\"gid\":$gid,\"user\":$user,\"home\":$home,\"home_exists\":$exists,\"home_writable\":$writable}"
else
  unseen "/proc/self/status is not readable"
  say identity "" "$json"
fi

# The job's groups, the effective one first: its id, and its name where the database has one.
if [ -n "$gid" ]; then
  others=
  while read -r field values; do
    [ "$field" = Groups: ] && others=$values
  done </proc/self/status
  remaining="$gid $others " groups=
  while [ -n "$remaining" ]; do
    group=${remaining%% *}
    remaining=${remaining#* }
    [ -n "$group" ] || continue
    name=
    if [ -r /etc/group ]; then
      while IFS=: read -r label _ number _; do
        [ "$number" = "$group" ] && { name=$label; break; }
      done </etc/group
    fi
    quote "$name"
    groups="$groups${groups:+,}[$group,$quoted]"
  done
  say groups "" "[$groups]"
fi

## isolation

bounding='' nnp='' seccomp=''
if [ -r /proc/self/status ]; then
  while read -r field value _; do
    case $field in
      CapBnd:) bounding=$value ;;
      NoNewPrivs:) nnp=$value ;;
      Seccomp:) seccomp=$value ;;
    esac
  done </proc/self/status
fi
if [ -n "$bounding" ]; then say isolation bounding "\"$bounding\""; fi
if [ -n "$nnp" ]; then say isolation no_new_privileges "$nnp"; fi
if [ -n "$seccomp" ]; then say isolation seccomp "$seccomp"; fi

# A privileged container sees sysfs writable; an ordinary one sees it read-only.
if [ -r /proc/self/mounts ]; then
  sysfs=
  while read -r _ where kind options _; do
    [ "$where $kind" = "/sys sysfs" ] && sysfs=$options
  done </proc/self/mounts
  case $sysfs in
    rw | rw,*) say isolation sysfs '"rw"' ;;
    ?*) say isolation sysfs '"ro"' ;;
  esac
fi

sockets=
for socket in /var/run/docker.sock /run/docker.sock /run/podman/podman.sock "${XDG_RUNTIME_DIR:-/nonexistent}/docker.sock"; do
  # A dangling link is where a socket appears as soon as its volume is mounted.
  shown=
  if [ -S "$socket" ]; then
    shown=$socket
  elif [ -L "$socket" ]; then
    shown="$socket (dangling link)"
  fi
  if [ -n "$shown" ]; then
    quote "$shown"
    sockets="$sockets${sockets:+,}$quoted"
  fi
done
say isolation sockets "[$sockets]"

# say_attempt NAME STATUS TEXT: how an attempt ended, with TEXT if it worked. One that was cut short shows nothing.
say_attempt() {
  case $2 in
    0) quote "$3"; json="{\"worked\":true,\"output\":$quoted}" ;;
    124 | 137 | 143) unseen "the attempt was ended, after 10 s or by a signal" ;;
    *) shorten "$said"; quote "${short:-failed}"; json="{\"worked\":false,\"output\":$quoted}" ;;
  esac
  say isolation "$1" "$json"
}

# The attempts use separate namespaces, so that a success changes nothing outside. Nothing waits for them before the end.
find_tool unshare; unshare=$found
find_tool mount; mount=$found
attempt_namespaces() {
  if [ -z "$unshare" ] || [ -z "$true" ]; then
    unseen "the image lacks unshare(1) or true(1)"
    say isolation unshare "$json"
    say isolation mount "$json"
    return
  fi
  said=$(bounded 10 "$unshare" --user --map-root-user --mount "$true" 2>&1)
  say_attempt unshare $? "created a user and a mount namespace"
  if [ -z "$mount" ]; then
    unseen "the image lacks mount(8)"
    say isolation mount "$json"
    return
  fi
  said=$(bounded 10 "$unshare" --mount "$mount" -t tmpfs none /tmp 2>&1)
  status=$?
  case $status in
    0 | 124 | 137 | 143) ;;
    *)
      said=$(bounded 10 "$unshare" --user --map-root-user --mount "$mount" -t tmpfs none /tmp 2>&1)
      status=$?
      ;;
  esac
  say_attempt mount $status "mounted a tmpfs in its own namespace"
}
attempt_namespaces &

## network

# An interface with a default route, from the kernel's tables (mask 0, flag RTF_UP, not a reject route).
routes='' known=
if [ -r /proc/net/route ]; then
  known=1
  while read -r interface destination _ flags _ _ _ mask _; do
    [ "$destination $mask" = "00000000 00000000" ] || continue
    [ $((0x$flags & 0x201)) -eq 1 ] && routes="$routes${routes:+,}\"$interface\""
  done </proc/net/route
fi
if [ -r /proc/net/ipv6_route ]; then
  known=1
  while read -r destination length _ _ _ _ _ _ flags interface _; do
    [ "$destination $length" = "00000000000000000000000000000000 00" ] || continue
    [ $((0x$flags & 0x201)) -eq 1 ] && routes="$routes${routes:+,}\"$interface\""
  done </proc/net/ipv6_route
fi
if [ -n "$known" ]; then say network routes "[$routes]"; fi

## resources

# cgroup_file CONTROLLER FILE: sets $cgroup to the first word(s) of a control file of this process.
cgroup_file() {
  cgroup=
  place=
  while IFS=: read -r _ controllers where; do
    case ",$controllers," in
      *",$1,"*) place=/sys/fs/cgroup/$controllers$where ;;
    esac
    [ "$1$controllers" = "" ] && place=/sys/fs/cgroup$where
  done 2>/dev/null </proc/self/cgroup
  # In a container the control files of its own group are at the root of the mount.
  for candidate in "$place/$2" "/sys/fs/cgroup/$1/$2" "/sys/fs/cgroup/$2"; do
    if [ -r "$candidate" ]; then
      read -r cgroup <"$candidate"
      return 0
    fi
  done
  return 1
}

say_cgroup() {
  if cgroup_file "$1" "$2"; then
    quote "$cgroup"
    say cgroup "$3" "$quoted"
  fi
}
say_cgroup cpu cpu.cfs_quota_us v1.quota
say_cgroup cpu cpu.cfs_period_us v1.period
say_cgroup cpu cpu.shares v1.shares
say_cgroup memory memory.limit_in_bytes v1.memory
say_cgroup memory memory.soft_limit_in_bytes v1.memory_reserved
say_cgroup pids pids.max v1.pids
say_cgroup '' cpu.max v2.cpu
say_cgroup '' cpu.weight v2.weight
say_cgroup '' memory.max v2.memory
say_cgroup '' memory.low v2.memory_reserved
say_cgroup '' pids.max v2.pids

## questions

# A scratch folder of the probe's own: what a tool prints goes to files there, so that a child that outlives the tool
# holds up nothing. Without any the tools print into pipes, and do no work.
scratch='' no_scratch="the image lacks mkdir(1) or rm(1)"
find_tool mkdir; mkdir=$found
find_tool rm; rm=$found
if [ -n "$mkdir" ] && [ -n "$rm" ]; then
  no_scratch="the job can write to none of TMPDIR, /tmp and HOME, so no tool can work"
  for dir in "${TMPDIR-}" /tmp "${HOME-}"; do
    case $dir in /*) ;; *) continue ;; esac
    if "$mkdir" -m 700 "$dir/builder-contracts-$$" 2>/dev/null; then
      scratch=$dir/builder-contracts-$$
      break
    fi
  done
fi
find_tool head; head=$found
find_tool tr; tr=$found
# A flood of output ends at this many blocks (20 or 40 MB). A limit that stands already is left alone.
cap=$(ulimit -f 2>/dev/null)
[ "$cap" = unlimited ] && cap=40000 || cap=

# begin_of FILE: sets $text to the start of a file.
begin_of() {
  text=
  [ -s "$1" ] || return
  # yash drops what follows a byte that its locale cannot read.
  if [ -n "${YASH_VERSION-}" ] && [ -n "$head" ] && [ -n "$tr" ]; then
    case $("$head" -c 4000 "$1" 2>/dev/null; echo .) in
      *.) ;;
      *) text=$("$head" -c 4000 "$1" 2>/dev/null | "$tr" -c '\11\12\15\40-\176' '?'); return ;;
    esac
  fi
  [ -n "$head" ] && text=$("$head" -c 4000 "$1" 2>/dev/null) && return
  text='' count=0
  while [ $count -lt 20 ] && { IFS= read -r line || [ -n "$line" ]; }; do
    text=$text$line$nl
    count=$((count + 1))
  done <"$1"
  text=${text%"$nl"}
}

# clock: sets $now to the seconds since the start of the host, or to nothing.
clock() { now=; { read -r now _ </proc/uptime; } 2>/dev/null; now=${now%%.*}; }

# run SECONDS INTO COMMAND...: sets $status, and $printed and $complained to what it wrote on standard output and
# standard error. Status 124 means that the time was up. Standard output goes to the file INTO if that has a name.
run() {
  seconds=$1 into=$2
  shift 2
  clock; started=$now
  if [ -n "$scratch" ]; then
    # The process of this question is the one that gets the limit: another one would cost as much as a quick tool.
    [ -n "$cap" ] && ulimit -f "$cap"
    bounded "$seconds" "$@" >"${into:-$place.out}" 2>"$place.err"
    status=$?
    printed=
    if [ -z "$into" ]; then begin_of "$place.out"; printed=$text; fi
    begin_of "$place.err"; complained=$text
  else
    printed=$(bounded "$seconds" "$@" 2>&1)
    status=$?
    complained=
  fi
  # busybox reports the status of the killed command. What was killed sooner was killed by somebody else.
  clock
  case $status in
    137 | 143) if [ -z "$now" ] || [ $((now - started)) -ge "$seconds" ]; then status=124; fi ;;
  esac
  if [ "$status" -eq 124 ]; then printed="no exit within $seconds s" complained=; fi
}

# run_tool PATH ARG...: sets $status and $short to its exit status and its output, standard output first.
patience=20
run_tool() {
  run $patience '' "$@"
  if [ -n "$printed" ] && [ -n "$complained" ]; then printed=$printed$nl; fi
  shorten "$printed$complained"
}

answer_tool() {
  name=$1
  shift
  find_tool "$name"
  if [ -z "$found" ]; then
    say tools "$name" '{"path":null}'
    return
  fi
  path=$found
  quote "$path"; shown=$quoted
  if [ $# -eq 0 ]; then
    say tools "$name" "{\"path\":$shown}"
    return
  fi
  run_tool "$path" "$@"
  quote "$short"
  say tools "$name" "{\"path\":$shown,\"status\":$status,\"output\":$quoted}"
}

answer_feature() {
  name=$1 label=$2
  shift 2
  find_tool "$name"
  [ -n "$found" ] || return
  run_tool "$found" "$@"
  quote "$short"; value="{\"status\":$status,\"output\":$quoted}"
  quote "$label"
  say features "$name" "{$quoted:$value}"
}

# What a tool is given of the nonce: enough of it that no prepared answer fits, too little to forge the probe's.
number_of_run=${nonce%"${nonce#????????}"}

# fill TEXT: sets $filled to TEXT with the scratch folder in the place of each {scratch}, and a number of this run in
# that of each {nonce}.
fill() {
  filled='' rest=$1
  while :; do
    before=${rest%%'{'*}
    filled=$filled$before rest=${rest#"$before"}
    case $rest in
      '') return ;;
      '{scratch}'*) filled=$filled$place/work rest=${rest#'{scratch}'} ;;
      '{nonce}'*) filled=$filled$number_of_run rest=${rest#'{nonce}'} ;;
      *) filled=$filled'{' rest=${rest#?} ;;
    esac
  done
}

# work_step COUNT WORD...: runs $program with the first COUNT words in the scratch folder.
work_step() {
  count=$1
  shift
  left=$#
  while [ "$left" -gt 0 ]; do
    word=$1
    shift
    if [ "$count" -gt 0 ]; then fill "$word"; set -- "$@" "$filled"; fi
    count=$((count - 1)) left=$((left - 1))
  done
  run "$limit_of_work" "$into" "$program" "$@" <"$place/in"
}

answer_work() {
  name=$1 limit_of_work=$2
  shift 2
  find_tool "$name"
  [ -n "$found" ] || return
  case $found in /*) tool=$found ;; *) tool=$PWD/$found ;; esac
  if [ -z "$scratch" ]; then
    unseen "$no_scratch"
    say work "$name" "$json"
    return
  fi
  if ! said=$("$mkdir" -p "$place/work" 2>&1) || ! cd "$place/work" 2>/dev/null; then
    unseen "no scratch folder: $said"
    say work "$name" "$json"
    return
  fi
  step=0 status=0 printed='' complained=''
  while [ $# -gt 0 ] && [ "$status" -eq 0 ]; do
    case $1 in
      set) fill "$3"; export "$2=$filled"; shift 3; continue ;;
      file) fill "$2"; written=$filled text=$3; shift 3 ;;
      *) program=${2:-$tool} text=$3 into=$4 words=$5 written=$place/in; shift 5 ;;
    esac
    fill "$text"; text=$filled
    if ! { printf '%s' "$text" >"$written"; } 2>/dev/null; then
      unseen "cannot write to the scratch folder $place"
      say work "$name" "$json"
      return
    fi
    [ "$written" = "$place/in" ] || continue
    step=$((step + 1))
    work_step "$words" "$@"
    shift "$words"
  done
  case $status$program$complained in
    126./*"ermission denied"*)
      unseen "the scratch folder $scratch cannot hold programs (mounted noexec)"
      say work "$name" "$json"
      return
      ;;
  esac
  shorten "$printed" 500; quote "$short"; printed=$quoted
  shorten "$complained" 500; quote "$short"
  say work "$name" "{\"nonce\":\"$number_of_run\",\"step\":$step,\"status\":$status,\"output\":$printed,\"errors\":$quoted}"
}

answer_path() {
  path=$1 link=false kind=null
  [ -L "$path" ] && link=true
  if [ -d "$path" ]; then kind='"directory"'
  elif [ -f "$path" ]; then kind='"file"'
  elif [ -S "$path" ]; then kind='"socket"'
  elif [ -c "$path" ]; then kind='"character-device"'
  elif [ -b "$path" ]; then kind='"block-device"'
  elif [ -p "$path" ]; then kind='"fifo"'
  elif [ -L "$path" ]; then kind='"symlink"'
  fi
  if [ "$kind" = null ]; then
    # A parent that cannot be searched hides its entries, so absence is not a fact.
    parent=${path%/*}
    while [ ! -e "$parent" ] && [ "$parent" != "${parent%/*}" ]; do parent=${parent%/*}; done
    if [ -n "$parent" ] && [ -d "$parent" ] && [ ! -x "$parent" ]; then
      unseen "the job's user cannot search $parent"
      say paths "$path" "$json"
    else
      say paths "$path" '{"type":null}'
    fi
    return
  fi
  yes_no [ -w "$path" ]; writable=$json
  if [ -z "$stat" ]; then
    unseen "the image lacks stat(1)"
    details="\"mode\":$json,\"owner\":$json,\"free\":$json"
  else
    if said=$("$stat" -L -c '"mode":"%a","owner":"%U"' "$path" 2>&1); then
      details=$said
    else
      unseen "stat: $said"
      details="\"mode\":$json,\"owner\":$json"
    fi
    if said=$("$stat" -f -c '"free":[%a,%S]' "$path" 2>&1); then
      details="$details,$said"
    else
      unseen "stat -f: $said"
      details="$details,\"free\":$json"
    fi
  fi
  say paths "$path" "{\"type\":$kind,\"symlink\":$link,\"writable\":$writable,$details}"
}

answer_shell() {
  if [ ! -x "$1" ]; then
    say shells "$1" '{"runs":false,"reason":"missing or not executable"}'
    return
  fi
  # Standard output alone counts: without a working directory a shell complains, and works. No file is written for
  # it, so that a full disk makes no shell broken.
  # shellcheck disable=SC2016 # the shell under test expands it, not this one
  said=$(bounded "$patience" "$1" -c 'echo $((40 + 2))' 2>/dev/null)
  status=$?
  if [ "$status $said" != "0 42" ]; then
    # shellcheck disable=SC2016 # the same
    run_tool "$1" -c 'echo $((40 + 2))'
  fi
  if [ "$status ${said:-$short}" = "0 42" ]; then
    say shells "$1" '{"runs":true}'
  elif [ "$status" -eq 124 ] || [ "$status" -eq 137 ] || [ "$status" -eq 143 ]; then
    unseen "$1 was ended twice, after $patience s or by a signal"
    say shells "$1" "$json"
  else
    quote "status $status: $short"
    say shells "$1" "{\"runs\":false,\"reason\":$quoted}"
  fi
}

answer_resolve() {
  find_tool getent
  if [ -n "$found" ]; then
    said=$(bounded 10 "$found" ahosts "$1" 2>&1)
    case $? in
      0) ;;
      2) say resolve "$1" '[]'; return ;;
      *) unseen "getent: $said"; say resolve "$1" "$json"; return ;;
    esac
    addresses='' last=
    while read -r address _; do
      [ -n "$address" ] && [ "$address" != "$last" ] || continue
      last=$address
      quote "$address"
      case $addresses in *"$quoted"*) ;; *) addresses="$addresses${addresses:+,}$quoted" ;; esac
    done <<ANSWER
$said
ANSWER
    say resolve "$1" "[$addresses]"
  else
    unseen "the image lacks getent(1)"
    say resolve "$1" "$json"
  fi
}

find_tool bash; bash=$found
find_tool perl; perl=$found

# knock HOST PORT: sets $outcome and $said.
knock() {
  if [ -n "$bash" ] && [ -n "$timeout" ]; then
    # shellcheck disable=SC2016 # bash expands its own parameters
    said=$("$timeout" 5 "$bash" -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" 2>&1)
    status=$?
  elif [ -n "$perl" ]; then
    # shellcheck disable=SC2016 # perl's variables
    said=$("$perl" -MSocket=:all -e 'alarm 5; my ($e, @a) = getaddrinfo($ARGV[0], $ARGV[1], {socktype => SOCK_STREAM});
      die "Name or service not known\n" if $e; socket(my $s, $a[0]{family}, SOCK_STREAM, 0) or die "$!\n";
      connect($s, $a[0]{addr}) or die "$!\n"' "$1" "$2" 2>&1)
    status=$?
    [ $status -eq 142 ] && status=124
  else
    outcome=unseen said="the image has neither bash and timeout(1) nor perl, so no connection can be tried"
    return
  fi
  case $status in
    0) outcome=connected said="connected to $1 port $2" ;;
    124) outcome=timeout said="no response within 5 s" ;;
    *) name_outcome ;;
  esac
}

answer_connect() {
  knock "$2" "$3"
  shorten "$said"
  if [ "$outcome" = unseen ]; then
    unseen "$said"
    say connect "$1" "$json"
  else
    quote "$short"
    say connect "$1" "{\"outcome\":\"$outcome\",\"output\":$quoted}"
  fi
}

# A daemon is looked for as the tools of a job do: the client, then the sockets, then the ports.
answer_daemon() {
  find_tool docker
  if [ -n "$found" ]; then
    up=0 slow=
    read -r up _ </proc/uptime
    begun=${up%%.*}
    said=$(bounded 30 "$found" info --format '{{.ID}} {{.ServerVersion}}' 2>/dev/null)
    status=$?
    read -r up _ </proc/uptime
    took=$((${up%%.*} - begun))
    [ "$took" -lt 10 ] || slow=", slowly: after $took s"
    if [ "$status" = 0 ] && [ -n "${said%%[ ]*}" ]; then
      quote "${said%% *}"; id=$quoted
      quote "${said#* }"; version=$quoted
      quote "docker info: server ${said#* } at ${DOCKER_HOST:-the default socket}$slow"
      say daemon "" "{\"reachable\":true,\"how\":$quoted,\"id\":$id,\"version\":$version}"
      return
    fi
    # Silence proves nothing: a busy host is slow, and a refusal comes at once.
    case $status in 124 | 137)
      unseen "docker info did not exit within 30 s"
      say daemon "" "$json"
      return
      ;;
    esac
  fi
  tried="no client"
  if [ -n "$found" ]; then
    # Asked again for its complaint, which ends with the reason. Without --format it ends with a summary.
    shorten "$(bounded 30 "$found" info --format '{{.ID}}' 2>&1 >/dev/null)" 300
    tried="no response from a daemon at ${DOCKER_HOST:-the default socket}${short:+: ${short##*"$nl"}}"
  fi
  find_tool curl
  for socket in /var/run/docker.sock /run/docker.sock /run/podman/podman.sock; do
    [ -S "$socket" ] || continue
    if [ -n "$found" ]; then
      said=$("$found" -s -m 5 --unix-socket "$socket" http://localhost/_ping 2>&1) && [ "$said" = OK ] && {
        say daemon "" "{\"reachable\":true,\"how\":\"$socket responds\"}"
        return
      }
      tried="$tried; $socket does not respond"
    else
      unseen "$socket exists, but the image lacks docker and curl to query it"
      say daemon "" "$json"
      return
    fi
  done
  for port in 2375 2376; do
    knock localhost $port
    case $outcome in
      connected)
        quote "localhost:$port accepts connections ($tried)"
        say daemon "" "{\"reachable\":true,\"how\":$quoted}"
        return
        ;;
      unseen)
        unseen "$said"
        say daemon "" "$json"
        return
        ;;
    esac
  done
  quote "$tried; no socket responds; ports 2375 and 2376 of localhost are closed; DOCKER_HOST=${DOCKER_HOST-(not set)}"
  say daemon "" "{\"reachable\":false,\"how\":$quoted}"
}

# TCP sockets in the state LISTEN (0A), as the kernel writes their addresses. UDP has no such state: its sockets
# without a peer are in CLOSE (07).
answer_listening() {
  for protocol in tcp udp; do
    listening='' seen='' state_of_listener=0A
    [ $protocol = udp ] && state_of_listener=07
    for table in /proc/net/$protocol /proc/net/${protocol}6; do
      [ -r "$table" ] || continue
      seen=1
      while read -r _ address _ state _; do
        [ "$state" = $state_of_listener ] && listening="$listening${listening:+,}\"$address\""
      done <"$table"
    done
    if [ -n "$seen" ]; then
      say listening $protocol "[$listening]"
    else
      unseen "/proc/net/$protocol is not readable"
      say listening $protocol "$json"
    fi
  done
}

# name_outcome: sets $outcome, and $said where it is known better, by the message of a failed connection.
name_outcome() {
  case $said in
    *"Connection refused"*) outcome=refused said="Connection refused" ;;
    *"etwork is unreachable"* | *"etwork unreachable"* | *"No route to host"*)
      outcome=unreachable said="Network is unreachable" ;;
    *"Name or service not known"* | *"name resolution"* | *"No address associated"* | *"Could not resolve"* | *"ould not be resolved"* | *"bad address"*)
      outcome=unresolved said="Name or service not known" ;;
    *) outcome=failed ;;
  esac
}

# The plain command of a job, with its proxies and authorities. What it reads goes nowhere.
answer_request() {
  find_tool curl; curl=$found
  find_tool wget
  outcome=connected
  if [ -n "$curl" ]; then
    run 20 '' "$curl" --silent --show-error --output /dev/null --write-out '%{http_code}' "$1"
    said=$complained
    case $printed in [1-9][0-9][0-9]) code=$printed ;; *) code=0 ;; esac
    case $status in
      # Why no connection was made stands in the details alone.
      7) run 20 '' "$curl" --verbose --output /dev/null "$1"; said=$complained status=7 ;;
      60) outcome=untrusted ;;
    esac
  elif [ -n "$found" ]; then
    run 20 '' "$found" -S -t 1 -T 15 -O /dev/null "$1"
    said=$complained
    code=${said#*HTTP/[12]*" "}
    [ "$code" = "$said" ] && code=0
    code=${code%"${code#???}"}
    case $code in [1-9][0-9][0-9]) ;; *) code=0 ;; esac
    case $said in *ertificate*) outcome=untrusted ;; esac
  else
    unseen "the image has neither curl nor wget, so no request can be sent"
    say request "$1" "$json"
    return
  fi
  if [ "$status" -eq 124 ]; then
    outcome=timeout code=0 said="no response within 20 s"
  elif [ "$code" -eq 0 ] && [ $outcome = connected ]; then
    name_outcome
  fi
  shorten "$said" 300; quote "$short"
  say request "$1" "{\"outcome\":\"$outcome\",\"status\":$((code)),\"output\":$quoted}"
}

answer_daemon_settings() {
  find_tool docker
  if [ -z "$found" ]; then
    unseen "the image lacks docker(1)"; say daemon_settings "" "$json"
    return
  fi
  docker=$found
  # The template is the client's, not text for this shell.
  # shellcheck disable=SC2016
  run 20 '' "$docker" info --format '{{.Driver}}
{{range .RegistryConfig.InsecureRegistryCIDRs}}{{.}} {{end}}{{range .RegistryConfig.IndexConfigs}}{{if not .Secure}}{{.Name}} {{end}}{{end}}'
  driver=${printed%%"$nl"*}
  if [ "$status" -ne 0 ] || [ -z "$driver" ]; then
    shorten "$complained$printed" 300
    unseen "docker info exited with status $status: $short"; say daemon_settings "" "$json"
    return
  fi
  quote "$driver"; settings="\"driver\":$quoted"
  insecure=${printed#*"$nl"}
  insecure=${insecure%%"$nl"*}
  shorten "$insecure"; quote "$short"; settings="$settings,\"insecure\":$quoted"
  run 20 '' "$docker" network ls --format '{{.Name}}'
  if [ "$status" -ne 0 ]; then
    shorten "$complained" 300
    unseen "docker network ls exited with status $status: $short"; say daemon_settings "" "$json"
    return
  fi
  shorten "$printed"; quote "$short"; settings="$settings,\"networks\":$quoted"
  run 20 '' "$docker" network inspect bridge --format '{{index .Options "com.docker.network.driver.mtu"}}'
  mtu=$printed
  # A daemon that was told none uses Ethernet's.
  [ "$status" -eq 0 ] && [ -z "$mtu" ] && mtu=1500
  [ "$status" -eq 0 ] || mtu=
  quote "$mtu"
  say daemon_settings "" "{$settings,\"mtu\":$quoted}"
}

# sets_in NAME: whether the configuration of Nix on standard input sets NAME.
sets_in() {
  while read -r word equals _ || [ -n "$word" ]; do
    case $word in "$1" | "extra-$1") [ "$equals" = = ] && return 0 ;; esac
  done
  return 1
}

# source_of NAME: sets $source to the first of the sources of Nix's settings, in the order in which they count, that
# sets NAME (nix.conf(5), section "Configuration file").
source_of() {
  source=NIX_CONFIG
  printf '%s\n' "${NIX_CONFIG-}" | sets_in "$1" && return
  if [ -n "${NIX_USER_CONF_FILES-}" ]; then
    remaining=$NIX_USER_CONF_FILES:
  else
    remaining=${XDG_CONFIG_HOME:-${HOME-}/.config}/nix/nix.conf:
    folders=${XDG_CONFIG_DIRS:-/etc/xdg}:
    while [ -n "$folders" ]; do
      remaining=$remaining${folders%%:*}/nix/nix.conf:
      folders=${folders#*:}
    done
  fi
  remaining=$remaining${NIX_CONF_DIR:-/etc/nix}/nix.conf:
  while [ -n "$remaining" ]; do
    source=${remaining%%:*}
    remaining=${remaining#*:}
    [ -f "$source" ] && [ -r "$source" ] && sets_in "$1" <"$source" && return
  done
  source=
}

# show_nix ARG...: sets $shown to all settings in effect, and $status. Nix before 2.20 has another name for the command.
show_nix() {
  for words in 'config show' show-config; do
    # shellcheck disable=SC2086 # two words, or one
    shown=$(bounded 20 "$nix" "$@" $words 2>&1)
    status=$?
    case $shown in *"nix-command' is disabled"*) return ;; esac
    [ $status -eq 0 ] && return
  done
}

answer_nix() {
  find_tool nix; nix=$found
  added=
  if [ -n "$nix" ]; then
    show_nix
    case $status$shown in
      0*) ;;
      *"nix-command' is disabled"*)
        # The command needs the feature; what it then shows of the features has it, and the job does not.
        added="nix-command"
        show_nix --extra-experimental-features nix-command
        ;;
    esac
  fi
  for name do
    if [ -z "$nix" ] || [ "$status" -ne 0 ]; then
      shorten "${shown-}" 300
      if [ -z "$nix" ]; then unseen "the job has no nix on PATH"; else unseen "nix exited with status $status: $short"; fi
      say nix "$name" "$json"
      continue
    fi
    value=null
    while IFS= read -r line; do
      case $line in "$name ="*) value=${line#"$name ="}; value=${value# }; break ;; esac
    done <<SETTINGS
$shown
SETTINGS
    if [ "$value" = null ]; then
      say nix "$name" '{"value":null,"source":""}'
      continue
    fi
    if [ "$name" = experimental-features ] && [ -n "$added" ]; then
      value=" $value "
      # Not within quotes: posh takes quotes inside of quotes for text.
      before=${value%%" $added "*}
      value=${value#*" $added "}
      value="$before $value"
    fi
    source_of "$name"
    quote "$source"; source=$quoted
    quote "$(printf '%.3000s' "$value")"
    say nix "$name" "{\"value\":$quoted,\"source\":$source}"
  done
}

# describe_directory PATH: sets $json to what is known of it.
describe_directory() {
  quote "$1"
  described="\"path\":$quoted"
  yes_no [ -d "$1" ]; described="$described,\"exists\":$json"
  if [ -w "$1" ] && [ -x "$1" ]; then json=true; else json=false; fi
  described="$described,\"writable\":$json"
  if [ -n "$stat" ] && mode=$("$stat" -L -c %a "$1" 2>/dev/null); then
    described="$described,\"mode\":\"$mode\""
  fi
  json="{$described}"
}

# With the directories above: who can write there renames what is below.
answer_search_path() {
  remaining=$PATH: shown=:
  while [ -n "$remaining" ]; do
    dir=${remaining%%:*}
    remaining=${remaining#*:}
    case $dir in /*) ;; *) continue ;; esac
    while :; do
      case $shown in *":$dir:"*) break ;; esac
      shown=$shown$dir:
      describe_directory "$dir"
      say search_path "$dir" "$json"
      [ "$dir" != / ] || break
      dir=${dir%/*}
      dir=${dir:-/}
    done
  done
  say complete search_path true
}

answer_sysctl() {
  name=$1 file=/proc/sys
  while :; do
    case $name in
      *.*) file=$file/${name%%.*} name=${name#*.} ;;
      *) file=$file/$name; break ;;
    esac
  done
  # read(1) of some shells takes one byte at a time, and the kernel answers only the first of such reads.
  if [ -r "$file" ] && value=$("${cat:-cat}" "$file" 2>/dev/null); then
    shorten "$value"
    quote "$short"
    say sysctl "$1" "$quoted"
  else
    unseen "$file is not readable"
    say sysctl "$1" "$json"
  fi
}

answer_shared_memory() {
  yes_no [ -w /dev/shm ]; writable=$json
  if [ -n "$stat" ] && size=$("$stat" -f -c '%b,%S' /dev/shm 2>/dev/null); then
    say shared_memory "" "{\"size\":[$size],\"writable\":$writable}"
  else
    unseen "/dev/shm does not exist, or the image lacks stat(1)"
    say shared_memory "" "$json"
  fi
}

# end_list SECTION STATUS: closes a list of files, or says why it is not complete.
end_list() {
  case $2 in
    124 | 137 | 143) unseen "no exit in time, or killed"; say complete "$1" "$json" ;;
    *) say complete "$1" true ;;
  esac
}

# A directory that the job cannot search hides its files from the job as well, so find's status 1 is no loss.
answer_set_id() {
  find_tool find
  if [ -z "$found" ]; then
    unseen "the image lacks find(1)"; say complete set_id "$json"
    return
  fi
  listed=$(bounded 40 "$found" / -xdev -type f '(' -perm -4000 -o -perm -2000 ')' 2>/dev/null)
  status=$?
  while IFS= read -r file; do
    [ -n "$file" ] || continue
    mode=
    [ -n "$stat" ] && mode=$("$stat" -c %a "$file" 2>/dev/null)
    if [ -z "$mode" ]; then
      if [ -u "$file" ]; then mode=4000; else mode=2000; fi
    fi
    say set_id "$file" "\"$mode\""
  done <<FILES
$listed
FILES
  end_list set_id "$status"
}

answer_file_capabilities() {
  find_tool getcap; getcap=$found
  find_tool find
  if [ -n "$getcap" ]; then
    listed=$(bounded 40 "$getcap" -r / 2>/dev/null)
    status=$?
    listed=$(printf '%s\n' "$listed" | while IFS= read -r line; do printf '%s\n' "${line%% cap_*}"; done)
  elif [ -n "$found" ] && [ -n "$perl" ]; then
    # Perl has no getxattr of its own; the numbers are those of the system call on x86-64 and on others.
    # shellcheck disable=SC2016 # perl's variables
    listed=$(bounded 40 "$found" / -xdev -type f -perm /111 -print0 2>/dev/null | bounded 40 "$perl" -0 -ne '
      BEGIN { require POSIX; $call = (POSIX::uname())[4] eq "x86_64" ? 191 : 8; $name = "security.capability" }
      chomp; $value = "\0" x 64;
      print "$_\n" if syscall($call, $_, $name, $value, 64) > 0' 2>/dev/null)
    status=$?
    case $status in
      0 | 124 | 137 | 143) ;;
      *) unseen "perl exited with status $status"; say complete file_capabilities "$json"; return ;;
    esac
  else
    unseen "the image lacks getcap(8), and find(1) or perl"; say complete file_capabilities "$json"
    return
  fi
  while IFS= read -r file; do
    [ -n "$file" ] && say file_capabilities "$file" true
  done <<FILES
$listed
FILES
  end_list file_capabilities "$status"
}

answer_sudo() {
  find_tool sudo
  if [ -z "$found" ]; then
    say sudo "" '{"path":null}'
    return
  fi
  path=$found
  said=$(bounded 10 "$path" -n -- "${true:-true}" 2>&1)
  status=$?
  shorten "$said"; quote "$short"; said=$quoted
  quote "$path"
  say sudo "" "{\"path\":$quoted,\"status\":$status,\"output\":$said}"
}

# Names of files only: what they hold never leaves the runner.
answer_secret_files() {
  find_tool grep
  if [ -z "$found" ]; then
    unseen "the image lacks grep(1)"; say complete secret_files "$json"
    return
  fi
  token='(^|[^A-Za-z0-9])(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_.-]{16,}|xox[abpr]-[A-Za-z0-9-]{10,}|(AKIA|ASIA)[A-Z0-9]{16}($|[^A-Z0-9])|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|dckr_pat_[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{30,}|AGE-SECRET-KEY-[A-Z0-9]{16,})|^-----BEGIN [A-Z0-9 ]*PRIVATE KEY'
  # By their names only, because manuals of awscli and PyJWT show such values: a token in a kubeconfig, and the key of a
  # service account, which JSON holds in one line.
  token=$token'|^[[:space:]]*(- )?token:[[:space:]]*"?eyJ[A-Za-z0-9_-]{10,}[.]eyJ[A-Za-z0-9_-]{10,}[.][A-Za-z0-9_-]{20,}'
  token=$token'|"private_key"[[:space:]]*:[[:space:]]*"-----BEGIN [A-Z ]*PRIVATE KEY-----\\n[A-Za-z0-9+/]{16}'
  # What git, curl, Docker, npm and aws keep passwords in.
  token=$token'|^https?://[^/:@[:space:]]+:[^/@[:space:]]+@[A-Za-z0-9.-]+/?$'
  token=$token'|^[[:space:]]*machine[[:space:]]+[^[:space:]]+[[:space:]].*password[[:space:]]+[^[:space:]]'
  token=$token'|"auth"[[:space:]]*:[[:space:]]*"[A-Za-z0-9+/]{11,}=*"'
  token=$token'|(^|:)_(authToken|auth|password)[[:space:]]*=[[:space:]]*[A-Za-z0-9+/_.=-]{8,}'
  token=$token'|aws_secret_access_key[[:space:]]*=[[:space:]]*[A-Za-z0-9+/]{30,}'
  for directory do
    [ -e "$directory" ] || continue
    listed=$(LC_ALL=C bounded 40 "$found" -r -I -l -E -e "$token" "$directory" 2>/dev/null)
    status=$?
    case $status in 124 | 137 | 143) end_list secret_files $status; return ;; esac
    while IFS= read -r file; do
      [ -n "$file" ] && say secret_files "$file" true
    done <<FILES
$listed
FILES
  done
  say complete secret_files true
}

answer_ca_bundle() {
  for bundle in "${SSL_CERT_FILE-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
    /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    [ -n "$bundle" ] && [ -f "$bundle" ] || continue
    if [ ! -r "$bundle" ]; then
      unseen "$bundle is not readable"; say ca_bundle "" "$json"
      return
    fi
    # Each once: a copy adds no authority. The ends of signatures, two lines each, tell them apart.
    count=0 seen='' before='' last_line=''
    while IFS= read -r line; do
      case $line in
        "-----END "*CERTIFICATE-----*)
          case $seen in
            *"$before$last_line"*) ;;
            *) count=$((count + 1)) seen="$seen $before$last_line" ;;
          esac
          ;;
      esac
      before=$last_line last_line=$line
    done <"$bundle"
    quote "$bundle"
    say ca_bundle "" "{\"path\":$quoted,\"certificates\":$count}"
    return
  done
  say ca_bundle "" '{"path":"","certificates":0}'
}

answer_time_zone() {
  find_tool date
  if [ -n "$found" ] && said=$("$found" '+%Z %z' 2>/dev/null); then
    shorten "$said"; quote "$short"
    say time_zone "" "$quoted"
  else
    unseen "the image lacks date(1)"; say time_zone "" "$json"
  fi
}

# answer_details PATH DIGEST CONTENT: what the question "path" leaves out; the last two are yes or no.
answer_details() {
  file=$1
  yes_no [ -x "$file" ]; details="\"executable\":$json"
  if [ -n "$stat" ]; then
    # Of a link, what it leads to.
    if said=$("$stat" -L -c '"uid":%u,"gid":%g,"group":"%G"' "$file" 2>/dev/null); then
      details="$details,$said"
    fi
  fi
  find_tool readlink
  if [ -L "$file" ] && [ -n "$found" ]; then
    said=$("$found" "$file" 2>/dev/null)
    shorten "$said"; quote "$short"; details="$details,\"target\":$quoted"
  fi
  find_tool sha256sum
  if [ "$2" = yes ] && [ -n "$found" ] && [ -f "$file" ] && [ -r "$file" ]; then
    said=$(bounded 20 "$found" <"$file" 2>/dev/null) && details="$details,\"sha256\":\"${said%% *}\""
  fi
  say details "$file" "{$details}"
  [ "$3" = yes ] || return
  find_tool head
  if [ -z "$found" ] || [ ! -f "$file" ] || [ ! -r "$file" ]; then
    unseen "the job cannot read $file, or the image lacks head(1)"
    say content "$file" "$json"
    return
  fi
  # Lines in parts that fit one write to a pipe, numbered, and their number at the end.
  part=0
  "$found" -c 65537 "$file" 2>/dev/null | {
    while IFS= read -r line || [ -n "$line" ]; do
      while :; do
        piece=$(printf '%.800s.' "$line"); piece=${piece%.}
        [ -n "$piece" ] || piece=$line
        line=${line#"$piece"}
        ending=$nl
        [ -n "$line" ] && ending=
        quote "$piece$ending"
        say content_part "$file $part" "$quoted"
        part=$((part + 1))
        [ -n "$line" ] || break
      done
    done
    say content "$file" "$part"
  }
}

# say_package NAME VERSION STATE: prints one installed package.
say_package() {
  number=$((number + 1))
  quote "$1"; name=$quoted
  quote "$2"; version=$quoted
  quote "$3"
  say package "$number" "[$name,$version,$quoted]"
}

# The manager that has a database answers; where several have, the one that installs the distribution goes first.
answer_packages() {
  number=0
  database=
  for file in /lib/apk/db/installed /usr/lib/apk/db/installed; do [ -s $file ] && database=$file; done
  if [ -s /var/lib/dpkg/status ]; then
    find_tool dpkg-query
    if [ -z "$found" ]; then
      unseen "the image has packages of dpkg and lacks dpkg-query(1)"; say complete packages "$json"
      return
    fi
    # It exits with 1 for a name that it does not know.
    # shellcheck disable=SC2016 # dpkg-query expands it, not this shell
    listed=$(bounded 20 "$found" -W -f '${Package}\t${Version}\t${Status}\n' "$@" 2>/dev/null)
    status=$?
    manager=dpkg
  elif [ -n "$database" ]; then
    listed='' status=0 manager=apk
    if [ ! -r "$database" ]; then
      unseen "the job cannot read $database"; say complete packages "$json"
      return
    fi
    while IFS=: read -r field value; do
      case $field in
        P) name=$value ;;
        V) for asked do [ "$asked" = "$name" ] && say_package "$name" "$value" installed; done ;;
      esac
    done <"$database"
  else
    find_tool rpm
    manager=rpm
    for dir in /var/lib/rpm /usr/lib/sysimage/rpm; do
      for file in "$dir/rpmdb.sqlite" "$dir/Packages" "$dir/Packages.db"; do [ -e "$file" ] && database=$file; done
    done
    if [ -z "$found" ] || [ -z "$database" ]; then
      unseen "the image has no database of dpkg, rpm or apk, or lacks rpm(8)"; say complete packages "$json"
      return
    fi
    listed=$(bounded 20 "$found" -q --qf '%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t. . installed\n' "$@" 2>&1)
    status=$?
    # Its status is the number of names that are not installed, even if it could not open its database.
    case "$status $listed" in 12[4-7]\ * | 137\ * | *"error: "*) status="$status: ${listed%%"$nl"*}" ;; *) status=0 ;; esac
  fi
  if [ "$status" != 0 ] && [ "$status" != 1 ]; then
    unseen "$manager exited with status $status"; say complete packages "$json"
    return
  fi
  while IFS=$tab read -r name version state; do
    # The last word of dpkg's three is the state; triggers that wait do not make a package unusable.
    case ${state##* } in
      '' | not-installed | config-files) ;;
      installed | triggers-awaited | triggers-pending) say_package "$name" "$version" installed ;;
      *) say_package "$name" "$version" "${state##* }" ;;
    esac
  done <<PACKAGES
$listed
PACKAGES
  say complete packages "\"$manager\""
}

# answer_entry SECTION TEXT: prints one entry, or notes that it is longer than one write to a pipe.
answer_entry() {
  number=$((number + 1))
  [ ${#2} -gt 3000 ] && { long=1; return; }
  quote "$2"
  say "$1" "$number" "$quoted"
}

answer_accounts() {
  number=0 long=
  for file in /etc/passwd /etc/group; do
    if [ -e $file ] && [ ! -r $file ]; then
      unseen "the job cannot read $file"; say complete accounts "$json"
      return
    fi
  done
  if [ -f /etc/passwd ]; then
    while IFS=: read -r name _ id group _ home shell || [ -n "$name" ]; do
      answer_entry passwd "$name:$id:$group:$home:$shell"
    done </etc/passwd
  fi
  if [ -f /etc/group ]; then
    while IFS=: read -r name _ id members || [ -n "$name" ]; do
      answer_entry group "$name:$id:$members"
    done </etc/group
  fi
  json=true
  [ -n "$long" ] && unseen "an entry of /etc/passwd or /etc/group has more than 3000 bytes"
  say complete accounts "$json"
}

# All processes with their parents: who reads them leaves out those of the harness, which the parent of this probe
# started.
answer_processes() {
  if [ ! -r /proc/1/status ]; then
    unseen "/proc does not show the processes of other users"; say complete processes "$json"
    return
  fi
  find_tool tr; tr=$found
  if [ "$1" = yes ] && [ -z "$tr" ]; then
    unseen "the image lacks tr(1)"; say complete processes "$json"
    return
  fi
  # Questions are split without names of files; this subshell ends with its answer.
  set +f
  for file in /proc/[1-9]*; do
    name='' state='' parent='' user=''
    while read -r field value rest; do
      case $field in
        Name:) name="$value${rest:+ $rest}" ;;
        State:) state=$value ;;
        PPid:) parent=$value ;;
        Uid:) user=${rest%%[!0-9]*}; break ;;
      esac
    done 2>/dev/null <"$file/status"
    # It has ended, or ended and waits for its parent.
    case $state$user in [ZX]* | '' | [A-Z]) continue ;; esac
    arguments=
    [ "$1" = yes ] && arguments=$("$tr" '\000' ' ' 2>/dev/null <"$file/cmdline")
    [ ${#arguments} -gt 1500 ] && arguments=$(printf '%.1500s' "$arguments")
    quote "$name"; name=$quoted
    quote "$arguments"
    say process "${file#/proc/}" "[$parent,$user,$name,$quoted]"
  done 2>/dev/null
  say complete processes "$PPID"
}

# What a job's processes inherit.
directory=$(pwd 2>/dev/null) || directory=
describe_directory "${directory:-.}"
say directory "" "$json"
say umask "" "\"$(umask)\""
if [ -r /proc/self/limits ]; then
  limits=
  while IFS= read -r line; do limits=$limits$line$nl; done </proc/self/limits
  quote "$limits"
  say limits "" "$quoted"
fi

# Questions are answered concurrently, one line per answer.
separator=$(printf '\037')
# The separator at the end keeps an empty last word; zsh keeps it anyway, and would add another.
last=$separator
[ -z "${ZSH_VERSION-}" ] || last=
running=0
number=0
for question do
  number=$((number + 1))
  (
    place=$scratch/$number
    # This splits at the separator only, and expands nothing.
    set -f
    IFS=$separator
    # shellcheck disable=SC2086
    set -- $question$last
    unset IFS
    # yash replaces a word that its locale cannot read with nothing.
    kind=$1
    [ -n "$kind" ] || exit 0
    shift
    "answer_$kind" "$@"
  ) &
  running=$((running + 1))
  # Enough to keep the processors busy, few enough for a small process limit.
  if [ $running -ge 12 ]; then
    wait
    running=0
  fi
done
wait
[ -n "$scratch" ] && "$rm" -rf "$scratch"
say end "" '"complete"'
