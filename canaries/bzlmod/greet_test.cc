#include <cstdio>

#include "greet.h"

// Prints what it tested, so that a changed greeting changes the log as well.
int main() {
  std::puts(Greet().c_str());
  return Greet().rfind("good day from ", 0) == 0 ? 0 : 1;
}
