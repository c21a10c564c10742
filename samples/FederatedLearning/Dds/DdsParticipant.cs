using System.Buffers;
using System.Runtime.InteropServices;
using FederatedLearning.Messages;
using static FederatedLearning.Dds.Native;

namespace FederatedLearning.Dds;

/// <summary>
/// A participant with the type that all messages have, <c>struct fl::FlMessage { @key string client_id; string type;
/// sequence&lt;octet&gt; body; }</c>
/// (final), described at run time: no compiler of interfaces is needed. Its thread alone uses it, except for <see
/// cref="Wake"/>.
/// </summary>
internal sealed unsafe class DdsParticipant : IDisposable
{
    /// <summary>
    /// From clients to the server, and back: on the way back each client reads the partition that is its id.
    /// </summary>
    public const string FromClients = "fl_from_client", ToClients = "fl_to_client";

    private const int LongestText = 64;
    private static readonly TopicDescriptor* Descriptor = MakeDescriptor();

    // The library's threads live as long as the domain: from its first participant in this process to its last.
    private static readonly Lock DomainsLock = new();
    private static readonly Dictionary<int, (int Entity, int Participants)> Domains = [];

    private readonly int _domain, _participant, _guard, _waitset;
    private readonly Dictionary<string, int> _topics = [];

    public DdsParticipant(DdsSettings settings)
    {
        _domain = settings.Domain;
        EnterDomain(settings);
        try
        {
            _participant = Check(dds_create_participant((uint)_domain, 0, 0), "a participant");
            _guard = Check(dds_create_guardcondition(_participant), "a guard condition");
            _waitset = Check(dds_create_waitset(_participant), "a waitset");
            Check(dds_waitset_attach(_waitset, _guard, 0), "attaching");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the settings come to, in words.</summary>
    public static string NetworkOf(DdsSettings settings)
        => Environment.GetEnvironmentVariable("CYCLONEDDS_URI") is null ? settings.Interface
            : "what CYCLONEDDS_URI says";

    /// <summary>A reader that the waitset listens to.</summary>
    /// <param name="topic">Its topic.</param>
    /// <param name="partition">Its partition; empty for the one without a name.</param>
    /// <param name="limit">How many samples it holds until they are taken; what is more waits with its writers.</param>
    public int Reader(string topic, string partition, int limit)
    {
        int reader = WithQos(partition, limit,
            qos => dds_create_reader(_participant, Topic(topic), qos, 0), "a reader");
        Check(dds_waitset_attach(_waitset, Check(dds_create_readcondition(reader, AnyState), "a read condition"), 0),
            "attaching");
        return reader;
    }

    public int Writer(string topic, string partition)
        => WithQos(partition, null, qos => dds_create_writer(_participant, Topic(topic), qos, 0), "a writer");

    public static void Delete(int entity) => Check(dds_delete(entity), "deleting");

    /// <summary>Writes a sample; false when what was written before has first to be taken, and this was not.</summary>
    public static bool TryWrite(int writer, ClientId client, string type, ReadOnlySpan<byte> body)
    {
        fixed (byte* id = System.Text.Encoding.UTF8.GetBytes(client.Value + "\0"),
            kind = System.Text.Encoding.UTF8.GetBytes(type + "\0"), bytes = body)
        {
            var octets = new Octets { Buffer = bytes, Length = (uint)body.Length, Maximum = (uint)body.Length };
            var message = new Message { ClientId = id, Type = kind, Body = octets };
            int code = dds_write(writer, &message);
            return code != Native.Timeout && Check(code, "writing") >= 0;
        }
    }

    /// <summary>Whether all that was written is on the other side.</summary>
    public static bool IsAcknowledged(int writer)
        => dds_wait_for_acks(writer, 0) is var code && code != Native.Timeout && Check(code, "acknowledgement") >= 0;

    /// <summary>The readers that a writer writes to.</summary>
    public static ulong[] ReadersOf(int writer) => Matched(writer, &dds_get_matched_subscriptions);

    /// <summary>The writers that a reader reads from.</summary>
    public static ulong[] WritersOf(int reader) => Matched(reader, &dds_get_matched_publications);

    /// <summary>
    /// Takes one sample, and gives it away for as long as the call lasts: nothing is copied. False when there is none.
    /// </summary>
    public static bool TryTake(int reader, Action<DdsSample> take)
    {
        void* sample = null;
        SampleInfo info;
        if (Check(dds_take(reader, &sample, &info, 1, 1), "taking") == 0)
            return false;
        try
        {
            var message = (Message*)sample;
            bool hasData = info.ValidData != 0; // otherwise there is only the key: its writer is gone
            take(new DdsSample(
                Text(message->ClientId),
                hasData ? Text(message->Type) : "",
                hasData ? new Loan(message->Body.Buffer, (int)message->Body.Length).Memory : default,
                hasData,
                info.InstanceState == Alive,
                info.Publication));
        }
        finally
        {
            Check(dds_return_loan(reader, &sample, 1), "giving back");
        }
        return true;
    }

    /// <summary>Waits until something came or <see cref="Wake"/> was called, at most so long.</summary>
    public void Wait(TimeSpan atMost)
    {
        Check(dds_waitset_wait(_waitset, null, 0, atMost == System.Threading.Timeout.InfiniteTimeSpan
            ? long.MaxValue
            : (long)atMost.TotalNanoseconds), "waiting");
        Check(dds_set_guardcondition(_guard, false), "the guard condition");
    }

    /// <summary>Ends the waiting, or the next; from any thread.</summary>
    public void Wake() => Check(dds_set_guardcondition(_guard, true), "the guard condition");

    public void Dispose()
    {
        if (_participant > 0)
            Delete(_participant);
        LeaveDomain();
    }

    private int Topic(string name)
    {
        if (!_topics.TryGetValue(name, out int topic))
            _topics[name] = topic = Check(dds_create_topic(_participant, Descriptor, name, 0, 0), $"the topic {name}");
        return topic;
    }

    // Reliable, everything kept until it is taken, and what is there also for those that come late. A writer that goes
    // does not dispose: its instances then have no writer, which tells that its client is gone.
    private static int WithQos(string partition, int? limit, Func<nint, int> create, string what)
    {
        nint qos = dds_create_qos();
        try
        {
            dds_qset_reliability(qos, 1, 0);
            dds_qset_history(qos, 1, 0);
            dds_qset_durability(qos, 1);
            dds_qset_writer_data_lifecycle(qos, false);
            if (limit is { } samples)
                dds_qset_resource_limits(qos, samples, -1, samples);
            if (partition.Length > 0)
                dds_qset_partition1(qos, partition);
            return Check(create(qos), what);
        }
        finally
        {
            dds_delete_qos(qos);
        }
    }

    private static ulong[] Matched(int entity, delegate*<int, ulong*, nuint, int> ask)
    {
        ulong[] handles = new ulong[Check(ask(entity, null, 0), "matches")];
        int found;
        fixed (ulong* first = handles)
            found = Check(ask(entity, first, (nuint)handles.Length), "matches");
        return handles[..Math.Min(found, handles.Length)];
    }

    private static string Text(byte* text)
    {
        if (text is null)
            return "";
        var bytes = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text);
        return System.Text.Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, LongestText + 1)]);
    }

    private static void EnterDomain(DdsSettings settings)
    {
        lock (DomainsLock)
        {
            var (entity, participants) = Domains.GetValueOrDefault(settings.Domain);
            if (participants == 0 && Environment.GetEnvironmentVariable("CYCLONEDDS_URI") is null)
                entity = Check(dds_create_domain((uint)settings.Domain, Configuration(settings)),
                    $"domain {settings.Domain}");
            Domains[settings.Domain] = (entity, participants + 1);
        }
    }

    private void LeaveDomain()
    {
        lock (DomainsLock)
        {
            var (entity, participants) = Domains[_domain];
            Domains[_domain] = (entity, participants - 1);
            if (participants == 1 && entity > 0)
                Delete(entity);
        }
    }

    // By itself the library multicasts on the machine's interfaces. On loopback participants find each other by their
    // ports.
    private static string Configuration(DdsSettings settings)
    {
        bool isLoopback = settings.Interface == "lo";
        string multicast = isLoopback ? "false" : "default";
        string peers = isLoopback ? """<Peers><Peer address="127.0.0.1"/></Peers>""" : "";
        return $"""
            <CycloneDDS><Domain id="any">
              <General>
                <Interfaces><NetworkInterface name="{settings.Interface}" multicast="{multicast}"/></Interfaces>
                <AllowMulticast>{multicast}</AllowMulticast>
                <MaxMessageSize>65500B</MaxMessageSize><FragmentSize>63000B</FragmentSize>
              </General>
              <Discovery>
                <ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>119</MaxAutoParticipantIndex>{peers}
                <LeaseDuration>{(int)settings.Lease.TotalMilliseconds}ms</LeaseDuration>
              </Discovery>
              <Internal>
                <SocketReceiveBufferSize min="default" max="16MiB"/>
                <MaxSampleSize>{MessageLimit.Bytes + MessageLimit.Overhead}B</MaxSampleSize>
              </Internal>
            </Domain></CycloneDDS>
            """;
    }

    // Made once and never freed: topics point into it.
    private static TopicDescriptor* MakeDescriptor()
    {
        const uint Member = 0x01 << 24, IsKey = 1, MustUnderstand = 8, Text = 0x05 << 16,
            Bytes = 0x07 << 16 | 0x01 << 8, End = 0;
        const uint KeyOffset = 0x07 << 24 | 1;
        ReadOnlySpan<uint> ops =
            [Member | IsKey | MustUnderstand | Text, 0, Member | Text, 8, Member | Bytes, 16, End, KeyOffset, 0];
        uint* opsMemory = (uint*)NativeMemory.Alloc((nuint)ops.Length, sizeof(uint));
        ops.CopyTo(new Span<uint>(opsMemory, ops.Length));
        var key = (Key*)NativeMemory.AllocZeroed((nuint)sizeof(Key));
        *key = new Key { Name = (byte*)Marshal.StringToCoTaskMemUTF8("client_id"), Offset = 7 };
        var descriptor = (TopicDescriptor*)NativeMemory.AllocZeroed((nuint)sizeof(TopicDescriptor));
        *descriptor = new TopicDescriptor
        {
            Size = (uint)sizeof(Message),
            Align = 8,
            KeyCount = 1,
            Keys = key,
            TypeName = (byte*)Marshal.StringToCoTaskMemUTF8("fl::FlMessage"),
            OpCount = 4,
            Ops = opsMemory,
            Meta = (byte*)Marshal.StringToCoTaskMemUTF8(""),
        };
        return descriptor;
    }

    // The library's memory, for as long as it is lent.
    private sealed class Loan(byte* bytes, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(bytes, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(bytes + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}

/// <summary>A sample, valid while it is being taken.</summary>
/// <param name="ClientId">The key.</param>
/// <param name="Type">What the message is.</param>
/// <param name="Body">The message.</param>
/// <param name="HasData">Whether it is a message; otherwise it tells of the key.</param>
/// <param name="IsAlive">Whether the key has a writer.</param>
/// <param name="Writer">Which writer wrote it.</param>
internal readonly record struct DdsSample(
    string ClientId, string Type, ReadOnlyMemory<byte> Body, bool HasData, bool IsAlive, ulong Writer);
