// Hosts on this machine, each a network namespace, and the links between them, which can be cut and
// made slow, each direction apart.
//
// A link is this process: each host has a tun device whose packets it carries to the other hosts'.
// Nothing else of the kernel is needed, and nothing stays behind when the process ends.
//
// Errors   What goes wrong after Make fails the running test case.
// Threads  One thread; it carries packets on one of its own.
#ifndef PACELINE_TESTS_CHAOS_LINKS_H_
#define PACELINE_TESTS_CHAOS_LINKS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/fleet.h"

namespace paceline::chaos {

class Links {
 public:
  // At most 200 hosts. Null where this process may not make network namespaces or tun devices;
  // standard output then says what it may not.
  static std::unique_ptr<Links> Make(const std::vector<std::string>& hosts);
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // How to start a process there.
  Host host(const std::string& name) const;

  // Drops all packets that `from` sends to `to`, from now on.
  void CutOneWay(const std::string& from, const std::string& to);
  void Cut(const std::string& one, const std::string& other);
  // From and to everybody.
  void CutOff(const std::string& name);
  // Delays every packet that `from` sends to `to`.
  void Delay(const std::string& from, const std::string& to, absl::Duration delay);
  // Nothing is cut or delayed any more.
  void Heal();

 private:
  class Impl;
  explicit Links(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline::chaos

#endif  // PACELINE_TESTS_CHAOS_LINKS_H_
