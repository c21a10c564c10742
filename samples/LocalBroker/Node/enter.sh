# Runs a program with a folder as the root of its files. Called in a mount namespace of its own, so that nothing stays
# mounted when the last process in it has ended, however it ended.
#
# unshare --mount sh -c <this> enter <root> <folder where temporary files are> <program> <arguments>
root=$1 temporary=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin

# Under the same paths as outside, with all that is mounted below; a folder that shows already is left alone.
for folder in /proc /dev /tmp "$temporary"; do
    [ "$root$folder" -ef "$folder" ] || { mkdir -p "$root$folder" && mount --rbind "$folder" "$root$folder"; } || exit
done
exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
