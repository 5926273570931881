#include "server/store/etcd/layout.h"

#include <catch2/catch.hpp>

namespace paceline::etcd {
namespace {

TEST_CASE("the end of a prefix is the next key that does not begin with it") {
  CHECK(EndOf("a/") == "a0");
  CHECK(EndOf("a\xff") == "b");
  CHECK(EndOf("\xff\xff") == std::string(1, '\0'));
}

TEST_CASE("a value comes back as it was, in line or as a reference") {
  const std::string bytes("\1\0/x", 4);

  const auto in_line = DecodeValue(EncodeInline(bytes));
  const auto empty = DecodeValue(EncodeInline(""));
  const auto reference = DecodeValue(EncodeReference("w-7", 12));

  REQUIRE(in_line.ok());
  CHECK(in_line->bytes == bytes);
  CHECK(in_line->parts == 0);
  REQUIRE(empty.ok());
  CHECK(empty->bytes.empty());
  REQUIRE(reference.ok());
  CHECK(reference->id == "w-7");
  CHECK(reference->parts == 12);
}

TEST_CASE("bytes that no store wrote are data loss") {
  for (const std::string& wrong :
       {std::string(), std::string("x"), std::string("\1"), std::string("\1") + "0/a",
        std::string("\1") + "-1/a", std::string("\1") + "many/a"}) {
    CHECK(DecodeValue(wrong).status().code() == absl::StatusCode::kDataLoss);
  }
}

size_t Leaves(const etcdserverpb::TxnRequest& txn) {
  size_t leaves = 0;
  for (const auto& operation : txn.success()) {
    leaves += operation.has_request_txn() ? Leaves(operation.request_txn()) : 1;
  }
  return leaves;
}

// What etcd counts: the longest list of each level, summed on the way down.
int Depth(const etcdserverpb::TxnRequest& txn) {
  int deepest = 0;
  for (const auto& operation : txn.success()) {
    if (operation.has_request_txn()) {
      deepest = std::max(deepest, Depth(operation.request_txn()));
    }
  }
  return std::max(txn.compare_size(), txn.success_size()) + deepest;
}

TEST_CASE("operations nest so that no path is longer than etcd takes") {
  for (const size_t count : {0, 1, 60, 61, 1024, 1025, 32 * 32 * 32}) {
    etcdserverpb::TxnRequest txn;
    for (size_t i = 0; i < kComparesMax; ++i) txn.add_compare();

    const absl::Status status =
        PackOperations(std::vector<etcdserverpb::RequestOp>(count, DeleteOf("k")), &txn);

    INFO(count);
    REQUIRE(status.ok());
    CHECK(Leaves(txn) == count);
    CHECK(Depth(txn) <= 128);
  }
}

TEST_CASE("more operations than etcd takes are refused") {
  etcdserverpb::TxnRequest txn;

  const absl::Status status =
      PackOperations(std::vector<etcdserverpb::RequestOp>(32 * 32 * 32 + 1, DeleteOf("k")), &txn);

  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(txn.success_size() == 0);
}

}  // namespace
}  // namespace paceline::etcd
