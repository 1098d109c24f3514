# Makes C of the page's style and script, and the policy that allows just these two:
#   cmake -DSTYLE=page.css -DSCRIPT=page.js -DOUT=page_data.c -P embed.cmake

# base64 of hex, in ret (CMake has none)
function(base64 hex ret)
	string(CONCAT letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ" "abcdefghijklmnopqrstuvwxyz" "0123456789+/")
	string(LENGTH "${hex}" digits)
	set(out "")
	set(at 0)
	while(at LESS digits)
		string(SUBSTRING "${hex}0000" ${at} 6 three)
		math(EXPR bits "0x${three}")
		math(EXPR left "(${digits} - ${at}) / 2")
		foreach(part RANGE 3)
			math(EXPR index "(${bits} >> (18 - 6 * ${part})) & 63")
			string(SUBSTRING "${letters}" ${index} 1 letter)
			if(part GREATER left)
				set(letter "=")
			endif()
			string(APPEND out "${letter}")
		endforeach()
		math(EXPR at "${at} + 6")
	endwhile()
	set(${ret} "${out}" PARENT_SCOPE)
endfunction()

function(embed name file ret_c ret_hash)
	file(READ "${file}" hex HEX)
	file(SHA256 "${file}" digest)
	base64("${digest}" hash)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(................................................................................)" "\\1\n\t" bytes "${bytes}")
	set(${ret_c} "const char ${name}[] = {\n\t${bytes}0\n};\n" PARENT_SCOPE)
	set(${ret_hash} "'sha256-${hash}'" PARENT_SCOPE)
endfunction()

embed(html_style "${STYLE}" style style_hash)
embed(html_script "${SCRIPT}" script script_hash)
file(WRITE "${OUT}" "/* Made by embed.cmake from page.css and page.js. */
#include \"viewer/html/html.h\"

${style}
${script}
const char html_policy[] = \"default-src 'none'; style-src ${style_hash}; \"
\t\"script-src ${script_hash}; base-uri 'none'; form-action 'none'\";
")
