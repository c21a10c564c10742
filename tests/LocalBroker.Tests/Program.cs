using System.Reflection;
using LocalBroker;
using Xunit.Runner.InProc.SystemConsole;

// As the owner of a node: start one, say where it is, then wait to be killed or told to end.
if (args is [NodeOwner.Argument])
{
    await using var node = await PrivateRabbitMqNode.StartAsync();
    Console.WriteLine(node.Folder);
    await Console.In.ReadLineAsync();
    return 0;
}

return await ConsoleRunner.Run(args);

/// <summary>How a test starts this program as the owner of a node.</summary>
internal static class NodeOwner
{
    public const string Argument = "own-a-node";

    public static string Program => Path.ChangeExtension(Assembly.GetExecutingAssembly().Location, null)
        + (OperatingSystem.IsWindows() ? ".exe" : "");
}
