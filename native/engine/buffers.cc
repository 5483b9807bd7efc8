#include "buffers.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <new>

#include "error.h"
#include "pages.h"

namespace px {

namespace {
constexpr size_t kGrain = 4096;
}  // namespace

struct BufferPool::State {
  std::multimap<size_t, float*> free;  // bytes -> block
  size_t free_bytes = 0, live_bytes = 0, live_peak = 0;
  std::atomic<size_t> held{0}, peak{0};  // read by other threads for reports
  bool closed = false;

  ~State() { drop(0); }

  // Frees waiting blocks, largest first, until at most `keep` bytes wait.
  void drop(size_t keep) {
    while (free_bytes > keep) {
      auto it = std::prev(free.end());
      give_pages(it->second, it->first);
      free_bytes -= it->first;
      held -= it->first;
      free.erase(it);
    }
  }
};

BufferPool::BufferPool() : state_(std::make_shared<State>()) {}
BufferPool::~BufferPool() {
  state_->closed = true;
  state_->drop(0);
}

Buffer BufferPool::acquire(size_t floats) {
  State& s = *state_;
  size_t bytes = (floats * sizeof(float) + kGrain - 1) / kGrain * kGrain;
  if (bytes == 0) bytes = kGrain;
  float* block = nullptr;
  auto it = s.free.lower_bound(bytes);
  if (it != s.free.end() && it->first <= bytes + bytes / 2) {
    bytes = it->first;
    block = it->second;
    s.free_bytes -= bytes;
    s.free.erase(it);
  } else {
    // What waits must not pile up: the pool holds at most a quarter more than was ever in use at once.
    const size_t limit = std::max(s.live_peak, s.live_bytes + bytes) / 4 * 5;
    const size_t want = s.live_bytes + bytes;
    s.drop(limit > want ? limit - want : 0);
    try {
      block = static_cast<float*>(take_pages(bytes));
    } catch (const std::bad_alloc&) {
      throw Error("ERR_MEMORY", "could not allocate " + std::to_string(bytes >> 20) +
                                    " MiB of working memory (" + std::to_string(s.held >> 20) +
                                    " MiB held); use a smaller --micro-batch or --size");
    }
    s.held += bytes;
    s.peak = std::max<size_t>(s.peak, s.held);
  }
  s.live_bytes += bytes;
  s.live_peak = std::max(s.live_peak, s.live_bytes);
  std::weak_ptr<State> weak = state_;
  return Buffer(std::shared_ptr<float>(block, [weak, bytes](float* p) {
    if (auto state = weak.lock(); state && !state->closed) {
      state->free.emplace(bytes, p);
      state->free_bytes += bytes;
      state->live_bytes -= bytes;
    } else {
      give_pages(p, bytes);
    }
  }));
}

void BufferPool::trim() { state_->drop(0); }
size_t BufferPool::current() const { return state_->held; }
size_t BufferPool::peak() const { return state_->peak; }

}  // namespace px
