/* The DLL of Windows from which Rust's standard library takes its random numbers. Wine has it only since version 8.16, and
   without it no Rust program starts; Debian 12 has Wine 8.0. `.ci/windows` compiles it for the prefixes that lack it. */

#include <windows.h>

/* What RtlGenRandom is called where it stands, in advapi32: documented, and there in every Wine. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

/* The most that one call asks for: any number that a ULONG holds would do. */
#define PIECE 0x10000000

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    while (length > 0) {
        ULONG piece = length < PIECE ? (ULONG)length : PIECE;
        if (!SystemFunction036(buffer, piece))
            return FALSE;
        buffer += piece;
        length -= piece;
    }
    return TRUE;
}
