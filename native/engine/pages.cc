#include "pages.h"

#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace px {

namespace {
constexpr size_t kHuge = size_t{2} << 20;
// A block of less than a huge page would only waste the rest of it.
std::align_val_t alignment(size_t bytes) { return std::align_val_t(bytes < kHuge ? 64 : kHuge); }
}  // namespace

void* take_pages(size_t bytes) {
  void* const block = ::operator new(bytes, alignment(bytes));
#ifdef MADV_HUGEPAGE
  // Advice: a system that cannot follow it says so, and nothing is lost.
  if (bytes >= kHuge) madvise(block, bytes / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  return block;
}

void give_pages(void* block, size_t bytes) noexcept { ::operator delete(block, alignment(bytes)); }

}  // namespace px
