#include "arena.h"

#include <algorithm>
#include <iterator>
#include <new>

#include "pages.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace px {

namespace {
constexpr size_t kSmallStep = size_t{1} << 18, kLargeStep = size_t{2} << 20;  // sizes of segments
constexpr double kSlack = 1.5;  // what is held may exceed what was ever in use at once by so much

#ifdef __SANITIZE_ADDRESS__
constexpr size_t kFence = Arena::kGrain;  // behind each block
void mark_used(void* at, size_t bytes) { __asan_unpoison_memory_region(at, bytes); }
void mark_free(void* at, size_t bytes) { __asan_poison_memory_region(at, bytes); }
#else
constexpr size_t kFence = 0;
void mark_used(void*, size_t) {}
void mark_free(void*, size_t) {}
#endif

size_t round_up(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }
}  // namespace

Arena::~Arena() {
  for (const auto& [at, bytes] : segments_) {
    mark_used(at, bytes);
    give_pages(at, bytes);
  }
}

size_t Arena::rounded(size_t bytes) { return round_up(std::max<size_t>(bytes, 1), kGrain) + kFence; }

void* Arena::take(size_t bytes) {
  const size_t wanted = rounded(bytes);
  auto best = by_size_.lower_bound({wanted, nullptr});
  if (best == by_size_.end()) {
    grow(wanted);
    best = by_size_.lower_bound({wanted, nullptr});
  }
  const auto [size, at] = *best;
  remove(free_.find(at));
  if (size > wanted) add(at + wanted, size - wanted);
  live_ += wanted;
  most_live_ = std::max(most_live_, live_);
  mark_used(at, bytes);
  return at;
}

void Arena::give(void* block, size_t bytes) noexcept {
  const size_t size = rounded(bytes);
  mark_free(block, size);
  live_ -= size;
  try {
    add(static_cast<char*>(block), size);
  } catch (const std::bad_alloc&) {
    // No memory to remember it by: the range is not used again, and goes with its segment.
  }
}

void Arena::grow(size_t bytes) {
  const size_t size = round_up(bytes, bytes < kLargeStep ? kSmallStep : kLargeStep);
  const size_t limit = static_cast<size_t>(kSlack * static_cast<double>(std::max(most_live_, live_ + bytes)));
  release(limit > size ? limit - size : 0);
  char* const at = static_cast<char*>(take_pages(size));
  mark_free(at, size);
  segments_.emplace(at, size);
  held_ += size;
  add(at, size);
}

void Arena::release(size_t keep) {
  for (auto it = by_size_.end(); held_ > keep && it != by_size_.begin();) {
    const auto [size, at] = *--it;
    const auto segment = segments_.find(at);
    if (segment == segments_.end() || segment->second != size) continue;
    it = std::next(it);
    remove(free_.find(at));
    mark_used(at, size);
    give_pages(at, size);
    segments_.erase(segment);
    held_ -= size;
  }
}

void Arena::remove(std::map<char*, size_t>::iterator range) {
  by_size_.erase({range->second, range->first});
  free_.erase(range);
}

void Arena::add(char* at, size_t bytes) {
  const auto next = free_.lower_bound(at);
  if (next != free_.begin() && segments_.count(at) == 0) {
    const auto before = std::prev(next);
    if (before->first + before->second == at) {
      at = before->first;
      bytes += before->second;
      remove(before);
    }
  }
  const auto after = free_.find(at + bytes);
  if (after != free_.end() && segments_.count(after->first) == 0) {
    bytes += after->second;
    remove(after);
  }
  free_.emplace(at, bytes);
  by_size_.insert({bytes, at});
}

}  // namespace px
