// The release of every program in this tree; processes of different releases refuse each other.
#ifndef PACELINE_COMMON_BASE_VERSION_H_
#define PACELINE_COMMON_BASE_VERSION_H_

namespace paceline {

inline constexpr char kRelease[] = "0.1.0";

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_VERSION_H_
