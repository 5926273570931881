// Debian's absl::Mutex is not instrumented, so ThreadSanitizer sees neither its locks nor what they
// order. Under --config=tsan the linker sends the four calls that take and give it through here.
// Awaiting looks again and again instead, so that each look is between calls that it sees.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#define PACELINE_WRAP_TAKE(symbol)            \
  extern "C" void __real_##symbol(void* mutex); \
  extern "C" void __wrap_##symbol(void* mutex) { \
    __real_##symbol(mutex);                   \
    __tsan_acquire(mutex);                    \
  }
#define PACELINE_WRAP_GIVE(symbol)            \
  extern "C" void __real_##symbol(void* mutex); \
  extern "C" void __wrap_##symbol(void* mutex) { \
    __tsan_release(mutex);                    \
    __real_##symbol(mutex);                   \
  }

PACELINE_WRAP_TAKE(_ZN4absl7debian35Mutex4LockEv)
PACELINE_WRAP_TAKE(_ZN4absl7debian35Mutex10ReaderLockEv)
PACELINE_WRAP_GIVE(_ZN4absl7debian35Mutex6UnlockEv)
PACELINE_WRAP_GIVE(_ZN4absl7debian35Mutex12ReaderUnlockEv)

namespace {

constexpr absl::Duration kLookAgain = absl::Microseconds(200);

bool AwaitUntil(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  while (!condition.Eval()) {
    if (absl::Now() >= deadline) return false;
    mutex->Unlock();
    absl::SleepFor(kLookAgain);
    mutex->Lock();
  }
  return true;
}

}  // namespace

void WrapAwait(absl::Mutex* mutex, const absl::Condition& condition)
    asm("__wrap__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
void WrapAwait(absl::Mutex* mutex, const absl::Condition& condition) {
  AwaitUntil(mutex, condition, absl::InfiniteFuture());
}

bool WrapAwaitWithTimeout(absl::Mutex* mutex, const absl::Condition& condition,
                          absl::Duration timeout)
    asm("__wrap__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
bool WrapAwaitWithTimeout(absl::Mutex* mutex, const absl::Condition& condition,
                          absl::Duration timeout) {
  return AwaitUntil(mutex, condition, absl::Now() + timeout);
}
