// Large blocks of memory straight from the system, in huge pages where it has them: a convolution writes to as many places as it has
// output channels, and with 4 KiB pages each is a translation to look up.
#pragma once
#include <stddef.h>

namespace px {

// At least 64-byte aligned, uninitialised. Throws std::bad_alloc.
void* take_pages(size_t bytes);
void give_pages(void* block, size_t bytes) noexcept;

}  // namespace px
