using BenchmarkDotNet.Attributes;
using SafeAmqp.Publishing;

namespace SafeAmqp.Benchmarks.Parts;

/// <summary>
/// Publishes noted and answered in the ring of the ledger, and beside it in a dictionary, as one would write it at
/// first.
/// </summary>
[MemoryDiagnoser]
public class LedgerRing
{
    private const int Published = 1024;

    private readonly ConfirmLedger _ledger = new(4096);
    private readonly Dictionary<ulong, OutgoingJob> _dictionary = [];
    private readonly List<OutgoingJob> _answered = [];
    private readonly PublishJob _job = new(
        new AmqpMessage(), 0, long.MaxValue, new Credit(long.MaxValue, long.MaxValue));
    private ulong _sequence;
    private ulong _dictionarySequence;

    /// <summary>How many publishes one answer covers.</summary>
    [Params(1, 16, 256)]
    public int PerAnswer { get; set; }

    [Benchmark(Baseline = true, OperationsPerInvoke = Published)]
    public void Ring()
    {
        for (int i = 0; i < Published; i += PerAnswer)
        {
            for (int j = 0; j < PerAnswer; j++)
                _ledger.Add(_job);
            _sequence += (ulong)PerAnswer;
            _ledger.Take(_sequence, multiple: PerAnswer > 1, _answered);
            _answered.Clear();
        }
    }

    [Benchmark(OperationsPerInvoke = Published)]
    public void Dictionary()
    {
        for (int i = 0; i < Published; i += PerAnswer)
        {
            for (int j = 0; j < PerAnswer; j++)
                _dictionary.Add(++_dictionarySequence, _job);
            foreach (ulong answered in _dictionary.Keys.Where(number => number <= _dictionarySequence).ToArray())
                _dictionary.Remove(answered);
        }
    }
}
