#include "threads.h"

#include <chrono>
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

// Tells the core that this is a loop that waits.
static void relax() {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits a little for what is about to come: a round has hundreds of short steps, and a thread that sleeps between them takes longer to
// wake than most of them last. Not where threads wait for each other's processors.
template <typename Done>
void Threads::wait_awake(Done done) const {
  constexpr auto kLongest = std::chrono::microseconds(100);
  if (!own_processors_) return;
  const auto start = std::chrono::steady_clock::now();
  while (!done() && std::chrono::steady_clock::now() - start < kLongest)
    for (int i = 0; i < 8; ++i) relax();
}

Threads::Threads(int count)
    : own_processors_(static_cast<unsigned>(count) <= std::thread::hardware_concurrency()),
      shares_(new Share[count]) {
  try {
    for (int i = 1; i < count; ++i)
      workers_.emplace_back([this, i] {
        flush_denormals();
        work(i);
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

bool Threads::Share::take(bool own, size_t* task) {
  uint64_t seen = tasks.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t first = seen >> 32, end = seen & 0xffffffff;
    if (first >= end) return false;
    const uint64_t left = own ? (first + 1) << 32 | end : first << 32 | (end - 1);
    if (!tasks.compare_exchange_weak(seen, left, std::memory_order_relaxed)) continue;
    *task = own ? first : end - 1;
    return true;
  }
}

bool Threads::next(size_t thread, size_t* task) {
  const size_t all = count();
  for (size_t i = 0; i < all; ++i)
    if (shares_[(thread + i) % all].take(i == 0, task)) return true;
  return false;
}

void Threads::drain(size_t thread) {
  for (size_t task; next(thread, &task);) {
    try {
      check_abort();
      (*task_)(task);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      for (int i = 0; i < count(); ++i) shares_[i].set(0, 0);
    }
  }
}

void Threads::work(size_t thread) {
  uint64_t seen = 0;
  for (;;) {
    wait_awake([&] { return stop_ || generation_ != seen; });
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    drain(thread);
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
    const size_t all = count();
    for (size_t i = 0; i < all; ++i) shares_[i].set(n * i / all, n * (i + 1) / all);
    failure_ = nullptr;
    if (n > 1) {
      busy_ = workers_.size();
      ++generation_;
    }
  }
  if (n > 1) wake_.notify_all();
  drain(0);
  wait_awake([&] { return busy_ == 0; });
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace px
