// Working memory of tasks. A task borrows one for its life and leaves it, grown, to later tasks and layers: memory fresh from the system
// would cost a page fault for every 4 KiB, each time.
#pragma once
#include <stdint.h>

#include <cstddef>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <vector>

#include "pages.h"

namespace px {

// All of a task's arrays share huge pages. What they outgrow is given up: they grow by doubling, so that it is less than they hold.
class ScratchPages : public std::pmr::memory_resource {
  void* do_allocate(size_t bytes, size_t) override { return take_pages(bytes); }
  void do_deallocate(void* p, size_t bytes, size_t) override { give_pages(p, bytes); }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

struct Scratch {
  template <typename T>
  using Array = std::pmr::vector<T>;
  ScratchPages pages;
  std::pmr::monotonic_buffer_resource arena{size_t{2} << 20, &pages};
  Array<float> input{&arena}, output{&arena}, weights{&arena}, start{&arena}, row{&arena}, block{&arena};
  Array<int32_t> offsets{&arena};
  Array<ptrdiff_t> from{&arena}, to{&arena}, place{&arena};
  Array<std::byte> sorted{&arena};
  Array<uint8_t> sets{&arena};
};

class ScratchPool {
 public:
  std::unique_ptr<Scratch> take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return std::make_unique<Scratch>();
    auto s = std::move(free_.back());
    free_.pop_back();
    return s;
  }
  void give(std::unique_ptr<Scratch> s) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(s));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

// A task's hold on its working memory, which goes back to the pool with it.
class BorrowedScratch {
 public:
  BorrowedScratch() = default;
  explicit BorrowedScratch(ScratchPool& pool) : pool_(&pool), scratch_(pool.take()) {}
  BorrowedScratch(BorrowedScratch&&) = default;
  BorrowedScratch& operator=(BorrowedScratch&&) = default;
  ~BorrowedScratch() {
    if (scratch_) pool_->give(std::move(scratch_));
  }
  Scratch* operator->() const { return scratch_.get(); }
  Scratch& operator*() const { return *scratch_; }

 private:
  ScratchPool* pool_ = nullptr;
  std::unique_ptr<Scratch> scratch_;
};

// At least n numbers, whatever they hold, from the beginning of a cache line on.
template <typename T>
T* room(Scratch::Array<T>& v, size_t n) {
  constexpr size_t kLine = 64;
  if (v.size() < n + kLine / sizeof(T)) v.resize(n + kLine / sizeof(T));
  const auto at = reinterpret_cast<uintptr_t>(v.data());
  return v.data() + (kLine - at % kLine) % kLine / sizeof(T);
}

}  // namespace px
