// Debian's absl::Mutex is not instrumented, so ThreadSanitizer sees neither its locks nor what they
// order. Under --config=tsan the linker sends the four calls that take and give it through here.
#include <sanitizer/tsan_interface.h>

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
