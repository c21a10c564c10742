using FederatedLearning.Messages;

namespace FederatedLearning.Rounds;

/// <summary>Where decisions leave their messages. Returns at once.</summary>
internal interface IOutbox
{
    /// <summary>To every client of every handler.</summary>
    void ToAll(OutgoingMessage message);

    /// <summary>To the message's recipient, over one handler.</summary>
    void ToOne(int handler, OutgoingMessage message);
}
