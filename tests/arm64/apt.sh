# For sysroot and vm: arm64 packages of a Debian release, downloaded with package lists of
# their own and unpacked, never installed: no script of theirs runs, this machine's apt
# knows nothing of it, and no rights are needed.  PYMEM_MIRROR: where Debian is (default:
# the place this machine's apt uses).  The sourcing script has `die WORDS`.

# apt_open SUITE FOLDER: lists and downloads go to FOLDER.
apt_open() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		die "apt-get and dpkg-deb are needed: no Debian"
	apt=$2
	_mirror=${PYMEM_MIRROR:-$(apt-get indextargets --format '$(SITE)' 2>/dev/null |
		grep -m1 '/debian/*$' || :)}
	[ -n "$_mirror" ] || die "where Debian's packages are is unknown: set PYMEM_MIRROR"
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	: >"$apt/status"
	echo "deb $_mirror $1 main" >"$apt/sources.list"
	apt_run apt-get update >"$apt/log" 2>&1 || die "no arm64 package lists of $1: see $apt/log"
}

# apt_run apt-get|apt-cache ARG...
apt_run() {
	_tool=$1
	shift
	APT_CONFIG= "$_tool" -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
		-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
		-o Dir::State::status="$apt/status" -o Dir::Cache="$apt" \
		-o Dir::Cache::archives="$apt/archives" -o APT::Sandbox::User= \
		-o Debug::NoLocking=1 -o APT::Install-Recommends=0 \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# apt_known PACKAGE...: those that the release has.
apt_known() {
	apt_run apt-cache pkgnames | sort >"$apt/names"
	printf '%s\n' "$@" | sort -u | comm -12 - "$apt/names"
}

# apt_unpack FOLDER PACKAGE...: those and all that they need.
apt_unpack() {
	_to=$1
	shift
	rm -f "$apt"/archives/*.deb
	apt_run apt-get install -y --download-only "$@" >>"$apt/log" 2>&1 ||
		die "arm64 packages can't be had: see $apt/log"
	for _d in bin sbin lib; do
		mkdir -p "$_to/usr/$_d"
		ln -s "usr/$_d" "$_to/$_d"
	done
	for _deb in "$apt"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$_deb" | tar -x -C "$_to" --keep-directory-symlink ||
			die "$_deb can't be unpacked"
	done
	rm -rf "$_to/usr/share/doc" "$_to/usr/share/locale" "$_to/usr/share/man"
	rm -f "$apt"/archives/*.deb
}
