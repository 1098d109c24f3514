# What Debian asks of a package beyond what `cmake --install` lays out.  Run by cpack on the
# folder that it is going to pack: the licence as `copyright`, both logs of changes, and
# manuals packed; and what lintian need not say.
set(doc ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/pymem)
set(overrides ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/lintian/overrides)
set(man ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/man)
execute_process(COMMAND date -u -R -d @$ENV{SOURCE_DATE_EPOCH} OUTPUT_VARIABLE date
	OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

file(READ ${CPACK_PYMEM_SOURCE}/LICENSE licence)
string(REGEX MATCH "Copyright[^\n]*" holder "${licence}")
string(REGEX REPLACE "^Copyright \\(c\\) " "" holder "${holder}")
string(REGEX REPLACE "^.*Copyright[^\n]*\n\n" "" licence "${licence}")
string(STRIP "${licence}" licence)
string(REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REPLACE "\n" "\n " licence "${licence}")
file(WRITE ${doc}/copyright
	"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
	"Upstream-Name: pymem\n\n"
	"Files: *\nCopyright: ${holder}\nLicense: Expat\n ${licence}\n")

file(WRITE ${doc}/changelog.Debian
	"pymem (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
	"  * See changelog.gz, the log of changes of the program itself.\n\n"
	" -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
file(GLOB_RECURSE pages ${man}/man*/*)
execute_process(COMMAND gzip -9 -n -f ${doc}/changelog ${doc}/changelog.Debian ${pages}
	COMMAND_ERROR_IS_FATAL ANY)

# This is no upload to Debian.
file(WRITE ${overrides}/pymem "pymem: initial-upload-closes-no-bugs\n")
