// What memory can do here, on one core: the limits under every other number.
//
// Units    GB/s: bytes of one array, copied or added to, over seconds.
#ifndef PACELINE_BENCH_DATAPLANE_MACHINE_H_
#define PACELINE_BENCH_DATAPLANE_MACHINE_H_

namespace paceline::bench {

// 64 MiB from one array to another.
double MemcpyGbPerSecond();

// `store += gradient` over 64 MiB of float32.
double AddGbPerSecond();

}  // namespace paceline::bench

#endif  // PACELINE_BENCH_DATAPLANE_MACHINE_H_
