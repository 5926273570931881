// The measure: the best data plane that we know how to write on a plain TCP socket. One thread an
// end, non-blocking sends of at most 512 KB, a receiver that is woken for no less than 256 KB, the
// sum made out of a bounce buffer that stays in the L2 cache, answers sent from the store itself.
//
// Errors   None: a failing system call ends the process.
// Threads  One.
#ifndef PACELINE_BENCH_DATAPLANE_RAW_SOCKET_H_
#define PACELINE_BENCH_DATAPLANE_RAW_SOCKET_H_

#include <cstdint>
#include <memory>

#include "bench/dataplane/load.h"

namespace paceline::bench {

// Listens at a free loopback port, says which to `announce`, serves one worker until it is gone.
void ServeRaw(void (*announce)(uint16_t port));

std::unique_ptr<Plane> ConnectRaw(uint16_t port);

}  // namespace paceline::bench

#endif  // PACELINE_BENCH_DATAPLANE_RAW_SOCKET_H_
