using System.Net.Sockets;
using SafeAmqp;

/// <summary>A process that uses up its file descriptors, tries to make a client, and frees them.</summary>
internal static class Descriptors
{
    internal static async Task RunAsync(string uri)
    {
        await TalkAsync(uri); // what is loaded at first use needs a descriptor, too
        Console.WriteLine("begun");
        List<Socket> taken = TakeAll();
        string without = Try(uri);
        foreach (Socket socket in taken)
            socket.Dispose();
        Console.WriteLine($"none left, {without}");
        await TalkAsync(uri);
        Console.WriteLine("bye");
    }

    private static async Task TalkAsync(string uri)
    {
        await using var client = await AmqpClient.ConnectAsync(uri);
        await client.DeclareAsync(new AmqpTopology().Queue("q"));
        await client.PublishAsync(AmqpMessage.ToQueue("q", []));
    }

    private static string Try(string uri)
    {
        try
        {
            return $"{new AmqpClient(new AmqpClientOptions { Uri = uri })} was made";
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode.ToString();
        }
    }

    private static List<Socket> TakeAll()
    {
        var taken = new List<Socket>();
        try
        {
            while (taken.Count < 100_000)
                taken.Add(new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        }
        catch (SocketException)
        {
        }
        return taken;
    }
}
