// Memory from the system, kept and cut up for reuse: memory fresh from the system is cleared by it first, which for tensors of tens of
// megabytes costs as much as computing them.
#pragma once
#include <stddef.h>

#include <map>
#include <set>

namespace px {

// One thread at a time. Blocks are multiples of kGrain.
class Arena {
 public:
  static constexpr size_t kGrain = 4096;

  ~Arena();
  // At least `bytes`, 64-byte aligned, uninitialised. Throws std::bad_alloc.
  void* take(size_t bytes);
  void give(void* block, size_t bytes) noexcept;  // as taken
  // Bytes held from the system, in use or not.
  size_t held() const { return held_; }

 private:
  using Range = std::pair<size_t, char*>;  // bytes, where

  static size_t rounded(size_t bytes);
  void grow(size_t bytes);
  void release(size_t keep);  // free segments, the largest first, until at most `keep` bytes are held
  void add(char* at, size_t bytes);
  void remove(std::map<char*, size_t>::iterator range);

  std::map<char*, size_t> segments_;  // what the system gave
  std::map<char*, size_t> free_;      // neighbours are joined, within their segment
  std::set<Range> by_size_;           // the same
  size_t held_ = 0, live_ = 0, most_live_ = 0;
};

}  // namespace px
