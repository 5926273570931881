// What every Store promises, asked of the implementation that the test program names.
//
// The cases are in store_contract.cc; a program that links it defines MakeSubject.
#ifndef PACELINE_SERVER_STORE_STORE_CONTRACT_H_
#define PACELINE_SERVER_STORE_STORE_CONTRACT_H_

#include <memory>

#include "server/store/store.h"

namespace paceline {

// An empty store of its own; null, with a warning that says why, where there cannot be one here.
std::unique_ptr<Store> MakeSubject();

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_STORE_CONTRACT_H_
