#include "threads.h"

#include <string>
#include <system_error>

#include "error.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace px {

// Denormals cost a hundred cycles each and mean nothing beside a tensor normalised to 1.
static void flush_denormals() {
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

Threads::Threads(int count) {
  try {
    for (int i = 1; i < count; ++i)
      workers_.emplace_back([this] {
        flush_denormals();
        work();
      });
  } catch (const std::system_error& e) {
    const size_t started = workers_.size() + 1;
    stop();
    throw Error("ERR_BACKEND", "the system gives no more than " + std::to_string(started) + " of " +
                                   std::to_string(count) + " threads (" + e.what() +
                                   "); use fewer --threads");
  }
}

Threads::~Threads() { stop(); }

void Threads::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& w : workers_) w.join();
  workers_.clear();
}

void Threads::check_abort() const {
  if (aborted()) throw Error("ERR_ABORTED", "stopped");
}

void Threads::drain() {
  for (;;) {
    const size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= total_) return;
    try {
      check_abort();
      (*task_)(i);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_.store(total_, std::memory_order_relaxed);
    }
  }
}

void Threads::work() {
  uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    drain();
    std::lock_guard<std::mutex> lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void Threads::run(size_t n, const std::function<void(size_t)>& task) {
  check_abort();
  flush_denormals();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    task_ = &task;
    total_ = n;
    next_.store(0, std::memory_order_relaxed);
    failure_ = nullptr;
    if (n > 1) {
      busy_ = workers_.size();
      ++generation_;
    }
  }
  if (n > 1) wake_.notify_all();
  drain();
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace px
