using BenchmarkDotNet.Attributes;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;

namespace SafeAmqp.Benchmarks.Parts;

/// <summary>
/// Deliveries noted and acknowledged, joined over a batch: in order, and with every eighth left open until the end.
/// </summary>
[MemoryDiagnoser]
public class AckJoining
{
    private const int Deliveries = 1000;

    private readonly CountingLink _link = new();
    private readonly AckJoiner _acks = new();

    [Params(1, 32)]
    public int PerBatch { get; set; }

    [Benchmark(OperationsPerInvoke = Deliveries)]
    public void InOrder() => Acknowledge(leaveOpen: 0);

    [Benchmark(OperationsPerInvoke = Deliveries)]
    public void WithGaps() => Acknowledge(leaveOpen: 8);

    private void Acknowledge(int leaveOpen)
    {
        _acks.Reset();
        for (ulong tag = 1; tag <= Deliveries; tag++)
        {
            _acks.Delivered(tag);
            if (leaveOpen == 0 || tag % (ulong)leaveOpen != 0)
                _acks.Ack(tag);
            if (tag % (ulong)PerBatch == 0)
                _acks.Flush(_link, 1);
        }
    }

    private sealed class CountingLink : IBrokerLink
    {
        internal int Frames { get; private set; }

        public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement) => Frames++;

        public string Connect(int epoch, TimeSpan within) => throw new NotSupportedException();
        public void Abandon(int epoch, bool politely) => throw new NotSupportedException();
        public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
            => throw new NotSupportedException();
        public void CloseChannel(long incarnation) => throw new NotSupportedException();
        public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
            => throw new NotSupportedException();
        public void Flush() => throw new NotSupportedException();
        public void Ask(long incarnation, AdminRequest request) => throw new NotSupportedException();
        public void Consume(long incarnation, ConsumeRequest request) => throw new NotSupportedException();
        public void CancelConsumer(long incarnation) => throw new NotSupportedException();
        public void Get(long incarnation, string queue) => throw new NotSupportedException();
        public void Confirm(long incarnation) => throw new NotSupportedException();
        public LinkTraffic Traffic(int epoch) => default;
    }
}
