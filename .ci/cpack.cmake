# Read by cpack before it makes a package.
#
# All times in a package are that of the last change of the sources, unless whoever makes
# it says another: the same sources give the same bytes.
if(NOT CPACK_PYMEM_PREFIX STREQUAL "/usr")
	message(FATAL_ERROR "a package is made of a build for /usr: configure with "
		"-DCMAKE_INSTALL_PREFIX=/usr, or use .ci/packages, which does")
endif()
if("$ENV{SOURCE_DATE_EPOCH}" STREQUAL "")
	execute_process(COMMAND sh ${CPACK_PYMEM_SOURCE}/.ci/source_date
		OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
	set(ENV{SOURCE_DATE_EPOCH} ${date})
endif()
