#include "tests/chaos/record.h"

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace paceline::chaos {
namespace {

using Json = nlohmann::json;
using history::Operation;

}  // namespace

std::string ToLine(const Operation& operation) {
  Json line = {{"kind", static_cast<int>(operation.kind)},
               {"begin", absl::ToUnixNanos(operation.begin)},
               {"end", absl::ToUnixNanos(operation.end)}};
  if (operation.kind != Operation::kRead) {
    line["client"] = operation.client;
    line["push"] = operation.push;
    line["duplicate"] = operation.is_duplicate;
  }
  if (operation.kind != Operation::kBegin) {
    line["server"] = operation.answerer.server;
    line["partition"] = operation.answerer.partition;
    line["term"] = operation.answerer.term;
    line["version"] = operation.answerer.version;
  }
  for (const auto& [client, count] : operation.seen.counts()) {
    line["seen"].push_back({client, count});
  }
  return line.dump();
}

absl::StatusOr<Operation> FromLine(const std::string& text) {
  const Json line = Json::parse(text, nullptr, false);
  if (!line.is_object() || !line.contains("kind") || !line.contains("end")) {
    return absl::InvalidArgumentError(absl::StrCat("no operation of a history: ", text));
  }
  Operation operation;
  operation.kind = static_cast<Operation::Kind>(line["kind"].get<int>());
  operation.begin = absl::FromUnixNanos(line["begin"].get<int64_t>());
  operation.end = absl::FromUnixNanos(line["end"].get<int64_t>());
  operation.client = line.value("client", 0u);
  operation.push = line.value("push", uint64_t{0});
  operation.is_duplicate = line.value("duplicate", false);
  operation.answerer = {line.value("server", ""), line.value("partition", 0u),
                        line.value("term", uint64_t{0}), line.value("version", uint64_t{0})};
  std::map<uint32_t, uint64_t> seen;
  if (line.contains("seen")) {
    for (const Json& entry : line["seen"]) seen[entry[0].get<uint32_t>()] = entry[1];
  }
  operation.seen = history::Pushes(std::move(seen));
  return operation;
}

}  // namespace paceline::chaos
