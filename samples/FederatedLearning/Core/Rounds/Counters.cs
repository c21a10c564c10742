using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.Rounds;

/// <summary>What came in and what became of it.</summary>
internal sealed class Counters
{
    public long Updates { get; set; }
    public long Metrics { get; set; }
    public long Duplicates { get; private set; }
    public long Stale { get; private set; }
    public long Refused { get; private set; }
    public long Registrations { get; set; }
    public long Rejections { get; set; }
    public long Departures { get; set; }

    /// <summary>Counts a message that does not count.</summary>
    public MessageVerdict Note(MessageVerdict verdict)
    {
        switch (verdict)
        {
            case MessageVerdict.Duplicate: Duplicates++; break;
            case MessageVerdict.Stale: Stale++; break;
            case MessageVerdict.Refused: Refused++; break;
            default:
                throw new ArgumentOutOfRangeException(
                    nameof(verdict), verdict, "What is accepted is counted by its kind.");
        }
        return verdict;
    }

    public MessageCounts ToCounts()
        => new(Updates, Metrics, Duplicates, Stale, Refused, Registrations, Rejections, Departures);
}
