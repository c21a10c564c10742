using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Routing;

/// <summary>
/// Topic patterns as a trie of words: <c>*</c> stands for one word, <c>#</c> for any number (AMQP 0-9-1, 3.1.3.3).
/// </summary>
internal sealed class TopicTable : BindingTable
{
    private readonly Node _root = new();
    private readonly HashSet<Node> _seen = [];

    public override void Add(Binding binding)
    {
        Node node = _root;
        foreach (string word in Words(binding.Key))
        {
            if (!node.Children.TryGetValue(word, out Node? child))
                node.Children[word] = child = new Node();
            node = child;
        }
        node.Bindings.Add(binding);
    }

    public override void Remove(Binding binding)
    {
        string[] words = Words(binding.Key);
        var path = new List<Node> { _root };
        foreach (string word in words)
            path.Add(path[^1].Children[word]);
        path[^1].Bindings.Remove(binding);
        for (int i = path.Count - 1; i > 0 && path[i].IsEmpty; i--)
            path[i - 1].Children.Remove(words[i - 1]);
    }

    public override void Match(Message message, string key, List<Binding> matches)
    {
        string[] words = Words(key);
        // Walking the states word by word visits each node once per word: patterns with many # cannot explode.
        var states = new HashSet<Node>();
        Enter(_root, states);
        foreach (string word in words)
        {
            var next = new HashSet<Node>();
            foreach (Node node in states)
            {
                if (node.IsHash)
                    next.Add(node);
                if (node.Children.TryGetValue(word, out Node? exact) && word is not ("*" or "#"))
                    Enter(exact, next);
                if (node.Children.TryGetValue("*", out Node? one))
                    Enter(one, next);
            }
            // A state that stays on # may also go on behind it.
            foreach (Node node in next.ToArray())
                Enter(node, next);
            states = next;
        }
        _seen.Clear();
        foreach (Node node in states)
            if (_seen.Add(node))
                matches.AddRange(node.Bindings);
    }

    private static void Enter(Node node, HashSet<Node> states)
    {
        states.Add(node);
        while (node.Children.TryGetValue("#", out Node? hash))
        {
            hash.IsHash = true;
            states.Add(hash);
            node = hash;
        }
    }

    private static string[] Words(string key) => key.Length == 0 ? [] : key.Split('.');

    private sealed class Node
    {
        public Dictionary<string, Node> Children { get; } = [];

        public List<Binding> Bindings { get; } = [];

        public bool IsHash { get; set; }

        public bool IsEmpty => Children.Count == 0 && Bindings.Count == 0;
    }
}
