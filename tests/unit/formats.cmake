# Unit tests of formats/.
add_library(formats_events STATIC formats_events.c)
target_link_libraries(formats_events PUBLIC pymem_formats PkgConfig::CMOCKA
	PRIVATE pymem_flags pymem_sanitize)

foreach(module bytes damage index print rights roundtrip writer)
	pymem_unit(formats_${module} SOURCES formats_${module}.c LIBS formats_events)
endforeach()

# What is asked of the kernel passes by the test.
pymem_unit(formats_replace SOURCES formats_replace.c LIBS pymem_formats)
target_link_options(unit_formats_replace PRIVATE -Wl,--wrap=fsync,--wrap=rename)
