using System.Runtime.InteropServices;

namespace FederatedLearning.Dds;

/// <summary>What is used of Cyclone DDS 0.10. Names and layouts are those of its headers on 64-bit systems.</summary>
internal static unsafe partial class Native
{
    public const int Timeout = -10, PreconditionNotMet = -4;
    public const uint AnyState = 0x7f, Alive = 0x10;

    private const string Library = "ddsc";
    private static readonly nint Handle = Load("libddsc.so.0debian", "libddsc.so.0", "libddsc.so");

    static Native() => NativeLibrary.SetDllImportResolver(
        typeof(Native).Assembly, static (name, _, _) => name == Library ? Handle : 0);

    public static bool IsAvailable => Handle != 0 && sizeof(nint) == 8;

    private static nint Load(params string[] files)
    {
        foreach (string file in files)
        {
            if (NativeLibrary.TryLoad(file, out nint handle))
                return handle;
        }
        return 0;
    }

    public static int Check(int code, string what) => code >= 0
        ? code
        : throw new DdsException($"{what} failed: {Marshal.PtrToStringUTF8((nint)dds_strretcode(code))}");

    public struct TypeMeta
    {
        public void* Data;
        public uint Size;
    }

    public struct Key
    {
        public byte* Name;
        public uint Offset, Index;
    }

    public struct TopicDescriptor
    {
        public uint Size, Align, Flags, KeyCount;
        public byte* TypeName;
        public Key* Keys;
        public uint OpCount;
        public uint* Ops;
        public byte* Meta;
        public TypeMeta TypeInformation, TypeMapping;
        public uint RestrictDataRepresentation;
    }

    public struct Octets
    {
        public uint Maximum, Length;
        public byte* Buffer;
        public byte Release;
    }

    public struct Message
    {
        public byte* ClientId, Type;
        public Octets Body;
    }

    public struct SampleInfo
    {
        public uint SampleState, ViewState, InstanceState;
        public byte ValidData;
        public long SourceTimestamp;
        public ulong Instance, Publication;
        public uint DisposedGenerations, NoWritersGenerations, SampleRank, GenerationRank, AbsoluteGenerationRank;
    }

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int dds_create_domain(uint domain, string configuration);
    [LibraryImport(Library)]
    public static partial int dds_create_participant(uint domain, nint qos, nint listener);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int dds_create_topic(int participant, TopicDescriptor* descriptor, string name, nint qos,
        nint listener);
    [LibraryImport(Library)]
    public static partial int dds_create_reader(int participant, int topic, nint qos, nint listener);
    [LibraryImport(Library)]
    public static partial int dds_create_writer(int participant, int topic, nint qos, nint listener);
    [LibraryImport(Library)]
    public static partial int dds_create_readcondition(int reader, uint mask);
    [LibraryImport(Library)]
    public static partial int dds_create_guardcondition(int participant);
    [LibraryImport(Library)]
    public static partial int dds_set_guardcondition(int guard, [MarshalAs(UnmanagedType.U1)] bool triggered);
    [LibraryImport(Library)]
    public static partial int dds_create_waitset(int participant);
    [LibraryImport(Library)]
    public static partial int dds_waitset_attach(int waitset, int entity, nint tag);
    [LibraryImport(Library)]
    public static partial int dds_waitset_wait(int waitset, nint* tags, nuint count, long timeoutNanoseconds);
    [LibraryImport(Library)]
    public static partial int dds_take(int reader, void** samples, SampleInfo* infos, nuint size, uint max);
    [LibraryImport(Library)]
    public static partial int dds_return_loan(int reader, void** samples, int count);
    [LibraryImport(Library)]
    public static partial int dds_write(int writer, void* sample);
    [LibraryImport(Library)]
    public static partial int dds_wait_for_acks(int writer, long timeoutNanoseconds);
    [LibraryImport(Library)]
    public static partial int dds_get_matched_subscriptions(int writer, ulong* handles, nuint count);
    [LibraryImport(Library)]
    public static partial int dds_get_matched_publications(int reader, ulong* handles, nuint count);
    [LibraryImport(Library)]
    public static partial int dds_delete(int entity);
    [LibraryImport(Library)]
    public static partial nint dds_create_qos();
    [LibraryImport(Library)]
    public static partial void dds_delete_qos(nint qos);
    [LibraryImport(Library)]
    public static partial void dds_qset_reliability(nint qos, int kind, long maxBlockingNanoseconds);
    [LibraryImport(Library)]
    public static partial void dds_qset_durability(nint qos, int kind);
    [LibraryImport(Library)]
    public static partial void dds_qset_history(nint qos, int kind, int depth);
    [LibraryImport(Library)]
    public static partial void dds_qset_resource_limits(nint qos, int samples, int instances, int samplesPerInstance);
    [LibraryImport(Library)]
    public static partial void dds_qset_writer_data_lifecycle(nint qos, [MarshalAs(UnmanagedType.U1)] bool autodispose);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial void dds_qset_partition1(nint qos, string name);
    [LibraryImport(Library)]
    public static partial byte* dds_strretcode(int code);
}

/// <summary>The library refuses something that it should not.</summary>
internal sealed class DdsException(string message) : Exception(message);
