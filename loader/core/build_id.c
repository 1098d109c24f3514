/* SPDX-License-Identifier: MIT */
/* build_id - see build_id.h.  gABI: notes; the GNU linkers' note of type 3. */
#include "loader/core/build_id.h"

#include <elf.h>
#include <string.h>

enum { BUILD_ID_HEADERS = 64, BUILD_ID_NOTES = 4096 };

/* In the notes of one segment. */
static void build_id_find(const unsigned char *notes, size_t size, struct build_id *ret)
{
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
		Elf64_Nhdr head;

		memcpy(&head, notes + at, sizeof(head));
		at += sizeof(head);
		const uint64_t name = ((uint64_t)head.n_namesz + 3) & ~3ull,
			       body = ((uint64_t)head.n_descsz + 3) & ~3ull;
		if (name > size - at || body > size - at - name)
			return;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
		    !memcmp(notes + at, "GNU", 4) &&
		    head.n_descsz <= sizeof(ret->bytes)) {
			ret->size = head.n_descsz;
			memcpy(ret->bytes, notes + at + name, ret->size);
			return;
		}
		at += name + body;
	}
}

static bool build_id_is_elf(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) &&
		h->e_ident[EI_CLASS] == ELFCLASS64 &&
		h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum &&
		h->e_phnum <= BUILD_ID_HEADERS;
}

void build_id_of_file(const unsigned char *bytes, uint64_t size, struct build_id *ret)
{
	Elf64_Ehdr h;
	Elf64_Phdr ph;

	if (size < sizeof(h))
		return;
	memcpy(&h, bytes, sizeof(h));
	if (!build_id_is_elf(&h) || h.e_phoff > size ||
	    h.e_phnum * sizeof(ph) > size - h.e_phoff)
		return;
	for (unsigned i = 0; i < h.e_phnum && !ret->size; i++) {
		memcpy(&ph, bytes + h.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_NOTE && ph.p_offset <= size &&
		    ph.p_filesz <= size - ph.p_offset)
			build_id_find(bytes + ph.p_offset, ph.p_filesz, ret);
	}
}

void build_id_of_memory(const struct memory *memory, uint64_t base, struct build_id *ret)
{
	unsigned char notes[BUILD_ID_NOTES];
	Elf64_Phdr ph[BUILD_ID_HEADERS];
	uint64_t first = UINT64_MAX;
	Elf64_Ehdr h;

	if (!memory_read(memory, base, &h, sizeof(h)) || !build_id_is_elf(&h) ||
	    !memory_read(memory, base + h.e_phoff, ph, h.e_phnum * sizeof(ph[0])))
		return;
	for (unsigned i = 0; i < h.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && !ph[i].p_offset && first == UINT64_MAX)
			first = ph[i].p_vaddr;
	for (unsigned i = 0; i < h.e_phnum && !ret->size && first != UINT64_MAX; i++) {
		const size_t n =
			ph[i].p_filesz < sizeof(notes) ? ph[i].p_filesz : sizeof(notes);

		if (ph[i].p_type == PT_NOTE &&
		    memory_read(memory, base + (ph[i].p_vaddr - first), notes, n))
			build_id_find(notes, n, ret);
	}
}

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
	return a->size && a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}
