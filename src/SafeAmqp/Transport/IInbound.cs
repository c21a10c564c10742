using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>What an I/O thread receives from. Only that thread uses it.</summary>
internal interface IInbound
{
    /// <summary>The socket to wait for; null while there is nothing to receive until the thread is woken.</summary>
    Socket? Awaited { get; }

    /// <summary>Whether nothing will be received any more.</summary>
    bool HasEnded { get; }

    /// <summary>Called once before all else.</summary>
    /// <param name="wake">Wakes the thread, from any other, when there may be something to receive that it does not wait for.</param>
    void Begin(Action wake);

    /// <summary>Takes what has come, without waiting. Never throws: what is wrong with it ends it.</summary>
    /// <returns>Whether anything had come, so that there may be more.</returns>
    bool Receive();
}
